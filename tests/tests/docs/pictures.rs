//! The pictures in the documents show what the programs show now.

use std::fs;

use imgurd_tests::pictures::{PICTURES, terminal};
use imgurd_tests::repository;

use crate::blocks::DOCUMENTS;

const REDO: &str = "run `make pictures`, and look at them";

#[test]
fn pictures_are_as_new_as_their_sources() {
    for picture in PICTURES.iter().filter(|picture| !picture.sources.is_empty()) {
        let saved = fs::read_to_string(picture.sums_file()).unwrap_or_default();
        assert_eq!(saved, picture.sums(), "{} is older than what it shows; {REDO}", picture.file);
    }
}

#[test]
fn the_picture_of_the_terminal_shows_what_imgurctl_prints() {
    let saved = fs::read_to_string(repository().join("ctl/pictures/terminal.svg")).unwrap_or_default();
    assert_eq!(saved, terminal(), "ctl/pictures/terminal.svg is older than what it shows; {REDO}");
}

#[test]
fn each_picture_is_small() {
    for picture in PICTURES {
        let length = fs::metadata(repository().join(picture.file)).expect(picture.file).len();
        assert!(length < 60_000, "{} has {length} bytes", picture.file);
    }
}

#[test]
fn each_link_of_a_document_leads_to_a_file() {
    let mut count = 0;
    for (document, text) in DOCUMENTS {
        let directory = repository().join(document).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(directory.join(file).exists(), "{document} links to {file}, which does not exist");
            count += 1;
        }
    }
    assert!(count > 20, "the documents have more than 20 links");
}
