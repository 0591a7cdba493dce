//! Lists every text that the programs print, by file: `make sentences`.

use std::io::{self, Write as _};
use std::path::Path;

use imgurd_tests::sentences::{ROOMS, of_room};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".."));
    let mut stdout = io::stdout().lock();
    let mut file = None;
    for sentence in ROOMS.iter().flat_map(|room| of_room(root, room)) {
        if file.replace(sentence.file.clone()).as_ref() != Some(&sentence.file) {
            writeln!(stdout, "\n{}", sentence.file.display())?;
        }
        let text = sentence.text.replace('\n', "\n        ");
        writeln!(stdout, "{:6}  {text}", sentence.line)?;
    }
    Ok(())
}
