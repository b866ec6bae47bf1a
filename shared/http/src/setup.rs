//! The secrets of a new installation of all services, each in the folder of who needs it.

use std::{
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::rand;
use clap::Args;
use ud_jwt::{JwkSet, service::IdentityKey};
use ud_kernel::Service;
use ud_seal::{
    ring_or_file,
    secret_file::{OWNER_ONLY, create, replace},
};
use zeroize::Zeroizing;

use ud_kernel::StartError;

/// Folder of what the database server and whoever makes its users need.
const DATABASE_SERVER: &str = "database-server";
/// Folder of what Redis needs.
const REDIS_SERVER: &str = "redis-server";
/// Mode of a file for another user of the system: its folder is mounted for one server alone.
const ANY_READER: u32 = 0o644;
/// Random bytes of a password: 144 bits.
const PASSWORD_BYTES: usize = 18;

/// What `setup` is told.
#[derive(Debug, Args)]
pub(crate) struct SetupArguments {
    /// Folder to make the secrets in, one folder for each reader
    folder: PathBuf,
    /// URL of each service's database; {service}, {user} and {password} are replaced
    #[arg(
        long,
        value_name = "URL",
        default_value = "postgres://{user}:{password}@127.0.0.1/{service}"
    )]
    database_url: String,
    /// URL of the session store; {password} is replaced
    #[arg(
        long,
        value_name = "URL",
        default_value = "redis://:{password}@127.0.0.1"
    )]
    redis_url: String,
}

/// Makes what is missing of the secrets that an installation of all services needs, and writes anew what follows from them:
/// URLs and sets of public keys. No secret that is there is changed, so that it may run before every start. Returns the names
/// of the files that it made.
///
/// # Errors
/// If a folder or file can be neither read nor made, or an identity key is none.
pub(crate) fn setup(arguments: &SetupArguments) -> Result<Vec<PathBuf>, StartError> {
    let root = &arguments.folder;
    let mut made = Made(Vec::new());
    let stores = root.join(DATABASE_SERVER);
    folder(root, 0o755)?;
    folder(&stores, 0o755)?;
    made.password(&stores.join("superuser-password"), ANY_READER)?;

    let mut public = Vec::new();
    for service in Service::ALL {
        let own = root.join(service.as_str());
        folder(&own, 0o700)?;
        public.push(made.identity(service, &own.join("identity-key.json"))?);
        for ring in service.declaration().key_rings {
            made.ring(&own, ring)?;
        }
        if service.declaration().has_database_server {
            let owner = format!("{service}_owner");
            let owners = root.join(format!("{service}-owner"));
            folder(&owners, 0o700)?;
            for (user, reader) in [(service.as_str(), &own), (owner.as_str(), &owners)] {
                let file = stores.join(format!("{user}.password"));
                let password = made.password(&file, ANY_READER)?;
                let url = arguments
                    .database_url
                    .replace("{service}", service.as_str());
                let url = url.replace("{user}", user).replace("{password}", &password);
                derive(&reader.join("database-url"), &Zeroizing::new(url))?;
            }
        }
    }
    let set: JwkSet = public.into_iter().collect();
    let set = serde_json::to_string(&set).map_err(StartError::internal)?;
    for service in Service::ALL {
        derive(&root.join(service.as_str()).join("peers.json"), &set)?;
    }

    let redis = root.join(REDIS_SERVER);
    folder(&redis, 0o755)?;
    let password = made.password(&redis.join("password"), ANY_READER)?;
    let url = Zeroizing::new(arguments.redis_url.replace("{password}", &password));
    derive(
        &root.join(Service::Session.as_str()).join("redis-url"),
        &url,
    )?;
    // Redis takes a password from its configuration, and on the command line anybody could read it.
    let line = Zeroizing::new(format!("requirepass {}\n", password.as_str()));
    let file = redis.join("redis.conf");
    replace(&file, &line, ANY_READER).map_err(|e| named(&file, e))?;

    let profile = root.join(Service::Profile.as_str());
    made.password(&profile.join("bootstrap-admin-password"), OWNER_ONLY)?;
    Ok(made.0)
}

/// The files that were made.
struct Made(Vec<PathBuf>);

impl Made {
    /// Returns the public half of the key in `path`, which is made if there is none.
    fn identity(&mut self, service: Service, path: &Path) -> Result<ud_jwt::PublicJwk, StartError> {
        let json = self.file(path, OWNER_ONLY, || {
            let key = IdentityKey::generate(service).map_err(StartError::internal)?;
            key.to_private_jwk().map_err(StartError::internal)
        })?;
        let key = IdentityKey::from_private_jwk(service, json.as_bytes());
        let key = key.map_err(|e| StartError::config(format!("{}: {e}", path.display())))?;
        Ok(key.public_jwk())
    }

    /// Returns the password in `path`, which is made if there is none.
    fn password(&mut self, path: &Path, mode: u32) -> Result<Zeroizing<String>, StartError> {
        let text = self.file(path, mode, || {
            let mut bytes = Zeroizing::new([0_u8; PASSWORD_BYTES]);
            rand::fill(bytes.as_mut_slice())
                .map_err(|_| StartError::internal("no random bytes"))?;
            // Hexadecimal digits stand in URLs and configuration files as they are.
            Ok(Zeroizing::new(hex::encode(bytes.as_slice())))
        })?;
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            let text = format!("{} holds no password", path.display());
            return Err(StartError::config(text));
        }
        Ok(text)
    }

    fn ring(&mut self, folder: &Path, name: &str) -> Result<(), StartError> {
        let path = folder.join(name);
        let is_new = !path.exists();
        // The error names the file.
        ring_or_file(None, folder, name).map_err(StartError::config)?;
        if is_new {
            self.0.push(path);
        }
        Ok(())
    }

    /// Returns the text of `path`, without the line break at its end; `make` makes it if there is none.
    fn file(
        &mut self,
        path: &Path,
        mode: u32,
        make: impl FnOnce() -> Result<Zeroizing<String>, StartError>,
    ) -> Result<Zeroizing<String>, StartError> {
        let read = || fs::read_to_string(path).map(Zeroizing::new);
        let found = match read() {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let text = make()?;
                match create(path, &text, mode) {
                    Ok(()) => {
                        self.0.push(path.to_owned());
                        return Ok(text);
                    }
                    // Another setup made it at the same moment: its text counts.
                    Err(e) if e.kind() == ErrorKind::AlreadyExists => read(),
                    Err(e) => Err(e),
                }
            }
            found => found,
        };
        let text = found.map_err(|e| named(path, e))?;
        Ok(Zeroizing::new(text.trim_end().to_owned()))
    }
}

/// Writes what follows from the secrets, for the service alone.
fn derive(path: &Path, text: &str) -> Result<(), StartError> {
    replace(path, text, OWNER_ONLY).map_err(|e| named(path, e))
}

fn folder(path: &Path, mode: u32) -> Result<(), StartError> {
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(mode).create(path);
    made.map_err(|e| named(path, e))
}

fn named(path: &Path, error: std::io::Error) -> StartError {
    StartError::config(format!("{}: {error}", path.display()))
}

#[cfg(test)]
#[path = "setup_tests.rs"]
mod tests;
