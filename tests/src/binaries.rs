//! Where the programs under test are.

use std::path::PathBuf;

use ud_kernel::Service;

/// The services and the names of their binaries.
pub const SERVICES: [(Service, &str); Service::ALL.len()] = {
    let mut all = [(Service::Auth, ""); Service::ALL.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = (Service::ALL[i], Service::ALL[i].declaration().binary);
        i += 1;
    }
    all
};

/// The binary of `service`.
///
/// # Panics
/// If it is not built; the message has the command.
#[must_use]
pub fn program_of(service: Service) -> PathBuf {
    binary(service.declaration().binary)
}

/// The binaries of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// That of this source.
    This,
    /// Another one, in this folder.
    In(PathBuf),
}

impl Release {
    /// The last release, in `TEST_OLD_BIN_DIR`.
    ///
    /// # Panics
    /// Without that variable; the message has the command.
    #[must_use]
    pub fn last() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "tells tests where the binaries are"
        )]
        let folder = std::env::var_os("TEST_OLD_BIN_DIR");
        let folder = folder.expect("TEST_OLD_BIN_DIR is not set: run `make test-upgrade`");
        Self::In(PathBuf::from(folder))
    }

    /// Its binary of `service`.
    ///
    /// # Panics
    /// If it is not built.
    #[must_use]
    pub fn program_of(&self, service: Service) -> PathBuf {
        match self {
            Self::This => program_of(service),
            Self::In(folder) => folder.join(service.declaration().binary),
        }
    }

    /// Its binary that runs all services.
    ///
    /// # Panics
    /// If it is not built.
    #[must_use]
    pub fn standalone(&self) -> PathBuf {
        match self {
            Self::This => standalone(),
            Self::In(folder) => folder.join("standalone"),
        }
    }
}

/// The binary that runs all services.
///
/// # Panics
/// If it is not built; the message has the command.
#[must_use]
pub fn standalone() -> PathBuf {
    binary("standalone")
}

/// In `TEST_BIN_DIR`, otherwise in the folder this very program was built into.
fn binary(name: &str) -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "tells tests where the binaries are"
    )]
    let told = std::env::var_os("TEST_BIN_DIR");
    let folder = told.map(PathBuf::from).unwrap_or_else(|| {
        let own = std::env::current_exe().expect("the path of this program");
        let folder = own.parent().expect("a program is in a folder");
        // Test binaries are one folder below.
        if folder.ends_with("deps") {
            folder.parent().expect("deps is in a folder").to_owned()
        } else {
            folder.to_owned()
        }
    });
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built; first run\n\n    cargo build --workspace --bins\n",
        path.display()
    );
    path
}
