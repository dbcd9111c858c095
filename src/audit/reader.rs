//! Reading the lines of a log, forward and backward.
