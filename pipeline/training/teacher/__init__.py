"""Parts of online self-training with a mean teacher (DACS, DAFormer, MIC), each a pure function."""
