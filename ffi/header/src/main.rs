//! Writes `include/postrider.h`, or checks that it is what it should be.
//!
//! ```text
//! cargo run -p postrider-header -- write
//! cargo run -p postrider-header -- check
//! ```

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use postrider_header::header;

fn main() -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/postrider.h");
    let done = match env::args().nth(1).as_deref() {
        Some("write") => fs::write(&path, header()).map_err(|e| format!("{}: {e}", path.display())),
        Some("check") => match fs::read_to_string(&path) {
            Ok(text) if text == header() => Ok(()),
            Ok(_) => Err(
                "include/postrider.h is not current: cargo run -p postrider-header -- write".into(),
            ),
            Err(e) => Err(format!("{}: {e}", path.display())),
        },
        _ => Err("usage: postrider-header write | check".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
