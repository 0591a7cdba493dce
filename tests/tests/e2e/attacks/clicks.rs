//! Signals that are forged: a click on a notification, a prompt's end, the announcement of sleep.
