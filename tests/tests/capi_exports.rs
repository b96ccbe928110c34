//! What the two libraries are made of: symbols, names, packaging.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use postrider_tests::capi;
use postrider_tests::cc::{Library, cargo, installed, need_program, output, run, text, workspace};

const BOTH: [Library; 2] = [Library::Engine, Library::Client];

fn header() -> String {
    fs::read_to_string(workspace().join("include/postrider.h")).unwrap()
}

/// The last words of the lines that a tool prints.
fn last_words(command: &mut Command) -> BTreeSet<String> {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .map(str::to_owned)
        .collect()
}

#[test]
fn both_export_what_the_header_declares_and_nothing_else() {
    if !need_program("nm") {
        return;
    }
    let declared: BTreeSet<String> = capi::functions(&header())
        .into_iter()
        .map(|f| f.name)
        .collect();
    for library in BOTH {
        let exported = last_words(
            Command::new("nm")
                .args(["-D", "--defined-only"])
                .arg(library.shared_object()),
        );
        assert_eq!(exported, declared, "{library:?}");
    }
}

#[test]
fn both_carry_their_soname_and_stay_loaded() {
    if !need_program("readelf") {
        return;
    }
    for library in BOTH {
        let dynamic = text(&output(
            Command::new("readelf")
                .arg("-dW")
                .arg(library.shared_object()),
        ));
        assert!(
            dynamic.contains(&format!("[{}]", library.soname())),
            "{dynamic}"
        );
        assert!(dynamic.contains("NODELETE"), "{dynamic}");
    }
}

#[test]
fn the_client_needs_no_threads_no_sockets_and_no_time_to_load() {
    if !need_program("nm") {
        return;
    }
    let mut nm = Command::new("nm");
    let needed = last_words(
        nm.args(["-D", "--undefined-only"])
            .arg(Library::Client.shared_object()),
    );
    let needed: BTreeSet<&str> = needed
        .iter()
        .map(|name| name.split('@').next().unwrap())
        .collect();
    assert!(needed.contains("write"), "{needed:?}");
    for name in [
        "pthread_create",
        "socket",
        "connect",
        "sendmsg",
        "getaddrinfo",
        "epoll_create1",
        "fork",
        "atexit",
    ] {
        assert!(!needed.contains(name), "libpostrider-client calls {name}");
    }
}

#[test]
fn every_exported_function_has_a_guard() {
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(workspace().join("ffi/src")).unwrap() {
        let path = entry.unwrap().path();
        let Ok(source) = fs::read_to_string(&path) else {
            continue;
        };
        for part in source.split("#[unsafe(no_mangle)]").skip(1) {
            let name = part
                .split("fn ")
                .nth(1)
                .unwrap()
                .split('(')
                .next()
                .unwrap()
                .to_owned();
            let body = part.split("\n}\n").next().unwrap();
            let guarded = ["guard(", "guard_or(", "Handle::with("]
                .iter()
                .any(|guard| body.contains(guard));
            assert!(
                guarded || body.contains("// No guard:"),
                "{}: {name}",
                path.display()
            );
            seen.insert(name);
        }
    }
    let declared: BTreeSet<String> = capi::functions(&header())
        .into_iter()
        .map(|f| f.name)
        .collect();
    assert_eq!(seen, declared);
}

#[test]
fn an_installed_tree_is_enough_to_build_and_run() {
    if !(need_program("cc") && need_program("pkg-config")) {
        return;
    }
    let prefix = installed();
    for (library, source) in [
        (Library::Engine, "examples/c/emit.c"),
        (Library::Client, "tests/c/version.c"),
    ] {
        let shared = build_installed(prefix, library, source, false);
        let fixed = build_installed(prefix, library, "tests/c/version.c", true);
        for exe in [shared, fixed] {
            let ran = output(Command::new(&exe).env("LD_LIBRARY_PATH", prefix.join("lib")));
            // The example without arguments tells its usage.
            assert!(
                matches!(ran.status.code(), Some(0 | 2)),
                "{library:?}: {} {}",
                ran.status,
                text(&ran)
            );
        }
    }
}

/// Compiles against the tree under `prefix`, from what pkg-config says alone.
fn build_installed(
    prefix: &Path,
    library: Library,
    source: &str,
    is_static: bool,
) -> std::path::PathBuf {
    let flags = |args: &[&str]| {
        let mut command = Command::new("pkg-config");
        command
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
            .args(args)
            .arg(library.name());
        let output = output(&mut command);
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout)
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let exe = prefix.join(format!(
        "{}-{}",
        library.name(),
        if is_static { "static" } else { "shared" }
    ));
    let mut cc = Command::new("cc");
    cc.current_dir(prefix)
        .args(["-std=c11", "-pthread", "-D_GNU_SOURCE"])
        .arg(workspace().join(source));
    cc.arg("-o").arg(&exe).args(flags(&["--cflags"]));
    if is_static {
        let own = format!("-l{}", library.name());
        for flag in flags(&["--static", "--libs"]) {
            match flag == own {
                true => cc.args(["-Wl,-Bstatic", &own, "-Wl,-Bdynamic"]),
                false => cc.arg(flag),
            };
        }
    } else {
        cc.args(flags(&["--libs"]));
    }
    run(&mut cc);
    exe
}

#[test]
fn the_libraries_for_static_linking_are_those_that_the_compiler_names() {
    let printed = output(
        cargo()
            .args([
                "rustc",
                "-p",
                "postrider-ffi",
                "--lib",
                "--crate-type",
                "staticlib",
            ])
            .args(["--", "--print", "native-static-libs"]),
    );
    let printed = text(&printed);
    let named = printed
        .lines()
        .find_map(|line| line.split_once("native-static-libs: "))
        .map(|(_, libs)| libs);
    let Some(named) = named else {
        panic!("{printed}")
    };
    let template = fs::read_to_string(workspace().join("ffi/postrider.pc.in")).unwrap();
    let ours = template
        .lines()
        .find_map(|line| line.strip_prefix("Libs.private: "))
        .unwrap();
    let set = |libs: &str| {
        libs.split_whitespace()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(set(ours), set(named));
}
