//! Makes the pictures of the documents again: `make pictures`.
#![allow(clippy::print_stdout, reason = "it says what it makes")]

use imgurd_tests::pictures::PICTURES;

fn main() {
    for picture in &PICTURES {
        picture.save();
        println!("{}", picture.file);
    }
}
