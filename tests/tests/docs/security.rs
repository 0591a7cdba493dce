//! SECURITY.md names tests for each claim, and these tests exist.

use std::fs;
use std::path::Path;

use imgurd_tests::repository;

/// The heading of the section with the claims.
const CLAIMS: &str = "## Claims, and the tests that attack them";

/// Returns the rows of the table: each claim, and the names of its tests.
fn claims(text: &str) -> Vec<(String, Vec<String>)> {
    let (_, below) = text.split_once(CLAIMS).expect("SECURITY.md has its table of claims");
    let section = below.split("\n## ").next().unwrap_or(below);
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| claim"));
    rows.map(|row| {
        let (claim, tests) = row.trim_matches(['|', ' ']).rsplit_once(" | ").expect("a row has two cells");
        let named = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (claim.to_owned(), named)
    })
    .collect()
}

/// Whether a test of this name exists: `PACKAGE::path::to::function`. `e2e`, `docs`, `strangers` and `fake` are test
/// programs, the other packages are crates.
fn exists(root: &Path, test: &str) -> bool {
    let mut parts: Vec<_> = test.split("::").collect();
    let (Some(function), false) = (parts.pop(), parts.len() < 2) else { return false };
    let top = match parts.remove(0) {
        program @ ("e2e" | "docs" | "strangers" | "fake") => root.join("tests/tests").join(program),
        package => root.join(package).join("src"),
    };
    let module = top.join(parts.join("/"));
    let files = [module.with_extension("rs"), module.join("mod.rs"), module.join("tests.rs")];
    let declares = |text: String| {
        let (_, after) = text.split_once(&format!("fn {function}("))?;
        let before = &text[..text.len() - after.len()];
        // The attributes are between the end of the previous item and the function.
        let attributes = before.rsplit("\n\n").next()?;
        (attributes.contains("test]") || attributes.contains("test(") || attributes.contains("#[rstest"))
            .then_some(())
    };
    files.iter().any(|file| fs::read_to_string(file).ok().and_then(declares).is_some())
}

#[test]
fn every_claim_names_existing_tests() {
    let root = repository();
    let claims = claims(&fs::read_to_string(root.join("SECURITY.md")).unwrap());
    assert!(claims.len() > 20, "the table has more than 20 claims");
    for (claim, tests) in claims {
        assert!(!tests.is_empty(), "no test is named for: {claim}");
        for test in tests {
            assert!(exists(root, &test), "test {test} does not exist; it is named for: {claim}");
        }
    }
}

#[test]
fn notices_claims_without_existing_tests() {
    let text = format!(
        "{CLAIMS}\n\n| claim | tests |\n|---|---|\n| a \\| b | `e2e::x::y`, `e2e::z::w` |\n| c | none |\n\n## Next\n| d | `e2e::n::m` |"
    );
    let expected = [("a \\| b", vec!["e2e::x::y", "e2e::z::w"]), ("c", vec![])];
    let expected =
        expected.map(|(claim, tests)| (claim.to_owned(), tests.into_iter().map(str::to_owned).collect()));
    assert_eq!(claims(&text), expected);
    let root = repository();
    assert!(exists(root, "docs::security::every_claim_names_existing_tests"));
    for gone in ["docs::security::claims", "docs::security::nothing", "docs::nowhere::claims", "claims", ""] {
        assert!(!exists(root, gone), "{gone}");
    }
}
