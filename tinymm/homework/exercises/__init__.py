"""The exercises, a file a lecture; having that file is all that it takes to be found."""
