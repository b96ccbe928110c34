//! C programs against the libraries as a host has them: built by cargo, found by their sonames.

use std::env;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

/// The root of the repository.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository is there")
}

/// Whether a program that a test needs is installed.
///
/// Where it is not, the test says so on stderr and is skipped; but under `CI=true` it fails, so
/// that no check is ever skipped for good.
pub fn need_program(name: &str) -> bool {
    let found = env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    found || skip(&format!("{name} is not installed"))
}

/// Says that a test is skipped and why; fails under `CI=true`. Always `false`.
pub fn skip(why: &str) -> bool {
    assert_ne!(
        env::var("CI").as_deref(),
        Ok("true"),
        "{why}, and CI=true allows no skips"
    );
    // Written to the descriptor itself: the test harness swallows what `eprintln!` prints.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
    false
}

/// Which of the two libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// libpostrider.
    Engine,
    /// libpostrider-client.
    Client,
}

impl Library {
    /// As the linker knows it.
    pub fn name(self) -> &'static str {
        match self {
            Library::Engine => "postrider",
            Library::Client => "postrider-client",
        }
    }

    /// What its shared object says it is called.
    pub fn soname(self) -> String {
        format!("lib{}.so.0", self.name())
    }

    fn package(self) -> &'static str {
        match self {
            Library::Engine => "postrider-ffi",
            Library::Client => "postrider-ffi-client",
        }
    }

    /// The shared object, built if it is not current.
    pub fn shared_object(self) -> PathBuf {
        static BUILT: [OnceLock<()>; 2] = [OnceLock::new(), OnceLock::new()];
        // One build for each: in a common one, cargo would give both the features of either.
        BUILT[self as usize]
            .get_or_init(|| run(cargo().args(["build", "--quiet", "-p", self.package()])));
        built_dir().join(format!("lib{}.so", self.name().replace('-', "_")))
    }

    /// A directory with the names that linker and loader look for.
    pub fn dir(self) -> &'static Path {
        static DIRS: [OnceLock<TempDir>; 2] = [OnceLock::new(), OnceLock::new()];
        let dir = DIRS[self as usize].get_or_init(|| {
            let dir = TempDir::new().expect("a directory for links");
            let object = self.shared_object();
            symlink(&object, dir.path().join(self.soname())).expect("a link");
            symlink(&object, dir.path().join(format!("lib{}.so", self.name()))).expect("a link");
            dir
        });
        dir.path()
    }
}

/// cargo with the profile and target directory of this test.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    like_this_test(&mut cargo);
    cargo
}

/// Gives a command that runs cargo this test's target directory, and takes away what cargo set for
/// this test: build scripts would see a change in it and build half the world anew.
fn like_this_test(command: &mut Command) {
    command
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", built_dir().parent().expect("target"));
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_"))
        {
            command.env_remove(name);
        }
    }
}

/// `target/debug`: where this test was built.
pub fn built_dir() -> PathBuf {
    let exe = env::current_exe().expect("a test knows its path");
    exe.ancestors()
        .nth(2)
        .expect("target/PROFILE/deps/TEST")
        .to_owned()
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        text(&output)
    );
}

/// Runs a command.
pub fn output(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// What a command printed.
pub fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

/// Warnings as strict as a host may have them.
pub const STRICT: &[&str] = &[
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Werror",
    "-Wconversion",
    "-Wstrict-prototypes",
];

/// How a C program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// As it is.
    Plain,
    /// With the program's own code under AddressSanitizer and UndefinedBehaviorSanitizer; their
    /// allocator also sees what the library frees and leaks.
    Sanitizers,
    /// Under valgrind's memcheck.
    Valgrind,
}

/// A C program, built against one of the libraries.
pub struct Program {
    library: Library,
    under: Under,
    leaks: bool,
    exe: PathBuf,
    _dir: TempDir,
}

impl Program {
    /// Compiles `source`, a path in the repository; `None` where this machine lacks what `under`
    /// needs.
    pub fn build(source: &str, library: Library, under: Under) -> Option<Program> {
        let can = match under {
            Under::Plain => need_program("cc"),
            Under::Sanitizers => need_program("cc") && have_sanitizers(),
            Under::Valgrind => need_program("cc") && need_program("valgrind"),
        };
        if !can {
            return None;
        }
        let dir = TempDir::new().expect("a directory for the program");
        let exe = dir.path().join("program");
        let mut cc = Command::new("cc");
        cc.current_dir(workspace())
            .args(["-std=c11", "-g", "-O1", "-pthread", "-D_GNU_SOURCE"])
            .args(STRICT);
        if under == Under::Sanitizers {
            cc.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        }
        cc.args(["-Iinclude", "-Itests/c", source, "-o"]).arg(&exe);
        cc.arg(format!("-L{}", library.dir().display()))
            .arg(format!("-l{}", library.name()));
        run(&mut cc);
        Some(Program {
            library,
            under,
            leaks: true,
            exe,
            _dir: dir,
        })
    }

    /// Has valgrind not look for leaks: a forked child has lost the stacks of its parent's threads,
    /// and so everything that only they knew of.
    pub fn may_leak(mut self) -> Program {
        self.leaks = false;
        self
    }

    /// A command that runs it.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = match self.under {
            Under::Valgrind => {
                let mut valgrind = Command::new("valgrind");
                // An error ends a process at once: a daemon, for which nobody waits, says it by what it no longer does.
                valgrind.args([
                    "--quiet",
                    "--error-exitcode=99",
                    "--exit-on-first-error=yes",
                ]);
                if self.leaks {
                    valgrind.args(["--leak-check=full", "--errors-for-leak-kinds=definite"]);
                    valgrind.arg("--show-leak-kinds=definite");
                }
                valgrind.arg(&self.exe);
                valgrind
            }
            Under::Plain | Under::Sanitizers => Command::new(&self.exe),
        };
        command
            .args(args)
            .env("LD_LIBRARY_PATH", self.library.dir());
        command
    }

    /// Runs it; it must succeed. Gives what it printed.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let mut command = self.command(args);
        let output = output(&mut command);
        assert!(
            output.status.success(),
            "{command:?}: {}\n{}",
            output.status,
            text(&output)
        );
        text(&output)
    }
}

/// Whether `cc` has AddressSanitizer; a visible skip where not.
pub fn have_sanitizers() -> bool {
    static HAVE: OnceLock<bool> = OnceLock::new();
    *HAVE.get_or_init(|| {
        let dir = TempDir::new().expect("a directory");
        let source = dir.path().join("probe.c");
        std::fs::write(&source, "int main(void) { return 0; }\n").expect("a probe");
        let mut cc = Command::new("cc");
        cc.arg("-fsanitize=address,undefined")
            .arg(&source)
            .arg("-o")
            .arg(dir.path().join("probe"));
        output(&mut cc).status.success() || skip("cc has no AddressSanitizer")
    })
}

/// Both libraries with header and pkg-config files, as `ffi/install.sh` installs them, under a
/// prefix.
pub fn installed() -> &'static Path {
    static PREFIX: OnceLock<TempDir> = OnceLock::new();
    let prefix = PREFIX.get_or_init(|| {
        let dir = TempDir::new().expect("a directory");
        std::fs::set_permissions(
            dir.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("ours");
        let mut install = Command::new(workspace().join("ffi/install.sh"));
        let profile = if built_dir().ends_with("release") {
            "release"
        } else {
            "dev"
        };
        install
            .arg(dir.path())
            .env("PROFILE", profile)
            .env_remove("DESTDIR")
            .env_remove("LIBDIR");
        like_this_test(&mut install);
        run(&mut install);
        dir
    });
    prefix.path()
}

/// Compiles one C source strictly as each standard that a header of ours promises, runs the programs, and
/// gives each standard with what its program printed.
pub fn in_every_standard(source: &str) -> Vec<(&'static str, String)> {
    let dir = TempDir::new().expect("a directory");
    let mut printed = Vec::new();
    for (compiler, language, standard) in [
        ("gcc", "c", "c99"),
        ("gcc", "c", "c11"),
        ("gcc", "c", "c17"),
        ("g++", "c++", "c++17"),
    ] {
        if !need_program(compiler) {
            continue;
        }
        let strict = STRICT
            .iter()
            .filter(|flag| language == "c" || **flag != "-Wstrict-prototypes");
        let exe = dir.path().join(standard);
        let mut cc = Command::new(compiler);
        cc.current_dir(workspace())
            .args(["-x", language, &format!("-std={standard}"), "-O0"])
            .args(strict);
        run(cc.args(["-Iinclude", source, "-o"]).arg(&exe));
        let output = output(&mut Command::new(&exe));
        assert!(output.status.success(), "{}", text(&output));
        printed.push((standard, text(&output)));
    }
    printed
}
