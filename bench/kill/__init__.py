"""A campaign of kills: hundreds of signals and torn writes over every stage, and nothing that was recorded is lost."""
