//! The manual pages, as man(1) reads them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::daemon::Home;

/// Writes the pages to the directories where `man` looks for them.
fn manual() -> (Home, Vec<PathBuf>) {
    let home = Home::new();
    let directory = home.path().join("man");
    let ran = home.run(&["man", directory.to_str().expect("text")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let sections = ["man1", "man5", "man7"].map(|section| directory.join(section));
    let files = sections.iter().flat_map(|section| fs::read_dir(section).expect("a section"));
    let pages: Vec<_> = files.map(|entry| entry.expect("read").path()).collect();
    assert!(pages.len() > 25, "{pages:?}");
    (home, pages)
}

/// Renders a page like Debian's lintian does.
fn rendered(page: &PathBuf, arguments: &[&str]) -> String {
    let output = Command::new("man")
        .args(["--warnings", "-E", "UTF-8", "-l", "-Tutf8"])
        .args(arguments)
        .arg(page)
        .env("LC_ALL", "C.UTF-8")
        .env("MANROFFSEQ", "")
        .env("MANWIDTH", "80")
        .env("MANPAGER", "cat")
        .output()
        .expect("man is installed (Debian: man-db)");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
    plain(&String::from_utf8_lossy(&output.stdout))
}

/// Removes overstruck characters, which bold and underlined text has on a printer (grotty(1)).
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '\u{8}' => {
                plain.pop();
            }
            c => plain.push(c),
        }
    }
    plain
}

#[test]
fn every_page_renders_without_a_warning() {
    let (_home, pages) = manual();
    for page in pages {
        assert!(!rendered(&page, &["-Z"]).is_empty());
    }
}

#[test]
fn every_page_has_a_name_line() {
    let (_home, pages) = manual();
    for page in pages {
        let output = Command::new("lexgrog").arg(&page).output().expect("lexgrog comes with man");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains(" - "), "{}: {said}", page.display());
    }
}

#[test]
fn options_and_examples_render_as_typed() {
    let (_home, pages) = manual();
    let page = pages.iter().find(|page| page.ends_with("imgurctl-token.1")).expect("a page");
    let text = rendered(page, &[]);
    for part in ["--min-valid", "--header", "curl -H @- https://api.imgur.com/3/account/me", "imgurctl(1)"] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn names_a_directory_that_cannot_be_written() {
    let home = Home::new();
    let file = home.path().join("file");
    fs::write(&file, "").expect("written");
    let ran = home.run(&["man", file.to_str().expect("text")]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains(&*file.display().to_string()), "{}", ran.stderr);
}
