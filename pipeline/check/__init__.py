"""What can be known to fail, or to go unnoticed, before any training: params, folders, a sample of the files."""

from pipeline.check.files import look_at_files
from pipeline.check.prepared import changed_files
from pipeline.check.problems import data_problems, held_back_in_words, path_problems

__all__ = ["changed_files", "data_problems", "held_back_in_words", "look_at_files", "path_problems"]
