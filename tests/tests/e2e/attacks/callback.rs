//! Another user of the machine, or a web page, that answers a sign-in in the person's place.
