//! Files and directories that others can write, and what a crash leaves on the disk.
