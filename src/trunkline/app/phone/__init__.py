"""A telephone without a screen: it registers, calls and answers from the command line, for trials and scripts."""
