//! `rex audit keygen`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rex_audit::SigningKey;

use crate::exit::{Exit, Stop};
use crate::print;

#[derive(Debug, clap::Args)]
pub(crate) struct KeygenArgs {
    /// File for the private key, readable only by its owner; the public key goes to `FILE.pub`
    pub(crate) file: PathBuf,
}

/// Creates a pair of keys. Fails if one of the files exists.
pub(crate) fn keygen(args: &KeygenArgs) -> Result<Exit, Stop> {
    let bad = |error: rex_audit::KeyError| Stop::internal(error.to_string());
    let private = SigningKey::generate().map_err(bad)?;
    let public = SigningKey::from_pem(private.as_bytes()).map_err(bad)?.public();
    let mut beside = args.file.clone().into_os_string();
    beside.push(".pub");
    create(&args.file, 0o600, &private)?;
    create(Path::new(&beside), 0o644, &public.to_pem())?;
    print(&public.id()).map(|()| Exit::Success)
}

fn create(path: &Path, mode: u32, text: &str) -> Result<(), Stop> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|error| Stop::usage(format!("`{}` cannot be created: {error}", path.display())))
}
