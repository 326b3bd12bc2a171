//! Processes that cannot read each other's folders.
//!
//! Each worker runs in a mount namespace of its own in which an empty file system lies over every folder
//! that is not its own; after it has copied its tiles, over the origin too. Where the system refuses
//! namespaces, each runs as a user of its own and the folders of the others are closed to it (0700).
//! What is hidden is checked from within, never assumed. `TEST_ISOLATION` chooses the way by name.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// How processes are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// A mount namespace per process (needs the right to mount).
    Mount,
    /// The same inside a user namespace (needs no right).
    UserMount,
    /// A user per process and closed folders (needs to be root).
    User,
}

/// Mounts an empty file system of a size over each of the first `$1` paths, then becomes the rest.
const MOUNT_AND_RUN: &str = r#"
n=$1; shift
while [ "$n" -gt 0 ]; do
  mount -t tmpfs -o "size=$1" none "$2" || exit 97
  shift 2; n=$((n - 1))
done
exec "$@""#;

/// An empty file system that lies over a folder, for one process alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The folder.
    pub folder: PathBuf,
    /// How much it takes, as mount has it (`4k`, `64m`).
    pub size: &'static str,
}

impl Mount {
    /// What hides a folder.
    pub fn hiding(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), size: "4k" }
    }
}

/// The first of the users that processes run as; they need no entry in `/etc/passwd`.
const FIRST_USER: u32 = 64_101;

impl Isolation {
    /// The strongest way that this system allows.
    ///
    /// # Panics
    /// When it allows none: the suite would prove nothing.
    pub fn detect() -> Self {
        let ways = [Self::Mount, Self::UserMount, Self::User];
        let asked = std::env::var("TEST_ISOLATION").unwrap_or_default();
        ways.into_iter()
            .filter(|way| asked.is_empty() || way.name() == asked)
            .find(|way| way.works())
            .expect("workers can be isolated: by unshare -m, unshare -Urm, or as root by users of their own")
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::UserMount => "user-mount",
            Self::User => "user",
        }
    }

    fn works(self) -> bool {
        let mut probe = self.prefix(0, &[]);
        match self {
            Self::Mount | Self::UserMount => probe.args(["mount", "-t", "tmpfs", "none", "/mnt"]),
            Self::User => probe.arg("true"),
        };
        probe.output().is_ok_and(|output| output.status.success())
    }

    /// Whether the origin must be a copy of ours, to be closed once workers have what they need.
    pub fn closes_folders(self) -> bool {
        self == Self::User
    }

    /// Gives a folder to process `index` alone.
    pub fn own(self, index: u32, folder: &Path) {
        if self == Self::User {
            chown(folder, Some(FIRST_USER + index), Some(FIRST_USER + index))
                .expect("root may chown");
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
    }

    /// Whether processes can have file systems of their own.
    pub fn mounts(self) -> bool {
        self != Self::User
    }

    /// The command as process `index`, after what enters its host, with mounts of its own from the
    /// start.
    pub fn wrap(self, index: u32, enter: &[String], inner: &Command, mounts: &[Mount]) -> Command {
        let plain = self.prefix(index, mounts);
        let whole = enter.iter().map(OsString::from).chain(words(&plain)).chain(words(inner));
        let mut whole = whole;
        let mut command = Command::new(whole.next().expect("a command has a program"));
        command.args(whole);
        for (name, value) in inner.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
    }

    fn prefix(self, index: u32, mounts: &[Mount]) -> Command {
        let flags = match self {
            Self::Mount => "-m",
            Self::UserMount => "-Urm",
            Self::User => {
                let mut command = Command::new("setpriv");
                let user = (FIRST_USER + index).to_string();
                command.args(["--reuid", &user, "--regid", &user, "--clear-groups", "--"]);
                return command;
            }
        };
        let mut command = Command::new("unshare");
        command.args([flags, "--propagation", "private", "--", "sh", "-c", MOUNT_AND_RUN, "sh"]);
        command.arg(mounts.len().to_string());
        for mount in mounts {
            command.arg(mount.size).arg(&mount.folder);
        }
        command
    }

    /// Hides a folder from a process that is already running.
    ///
    /// # Panics
    /// When it cannot be hidden.
    pub fn hide(self, process: u32, folder: &Path) {
        if self == Self::User {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
                .expect("the copy is ours");
            return;
        }
        let mount: [OsString; 6] =
            ["mount", "-t", "tmpfs", "-o", "size=4k", "none"].map(OsString::from);
        let mut command = self.inside(0, process);
        let output = command.args(mount).arg(folder).output().expect("nsenter starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} is not hidden: {said}", folder.display());
    }

    /// What process `index` sees in a folder: the names, none where it may not look.
    pub fn sees(self, index: u32, process: u32, folder: &Path) -> Vec<String> {
        let mut command = self.inside(index, process);
        let output = command.args(["ls", "-A"]).arg(folder).output().expect("ls starts");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }

    /// Runs a command that sees what process `index` sees.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run_inside(self, index: u32, process: u32, arguments: &[&str]) -> Output {
        let mut command = self.inside(index, process);
        command.args(arguments).output().expect("nsenter starts")
    }

    /// Where another command sees what a running process sees.
    fn inside(self, index: u32, process: u32) -> Command {
        let flags: &[&str] = match self {
            Self::User => return self.prefix(index, &[]),
            Self::Mount => &["-m"],
            Self::UserMount => &["-U", "--preserve-credentials", "-m"],
        };
        let mut command = Command::new("nsenter");
        command.args(["-t", &process.to_string()]).args(flags).arg("--");
        command
    }
}

/// The program and the arguments of a command.
fn words(command: &Command) -> impl Iterator<Item = OsString> {
    std::iter::once(command.get_program()).chain(command.get_args()).map(OsString::from)
}
