//! `sealdock init`: makes a data directory.

use super::Failure;
use super::output::{say, tell};
use crate::arn::{is_account_id, is_region};
use crate::clock::SystemClock;
use crate::config::{self, Config, UnlockFrom};
use crate::store::EmbeddedStore;
use crate::vault::{Vault, VaultError, create_key_file};
use clap::Args;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Directory to make; it must be empty or absent
    #[arg(long, env = "SEALDOCK_DATA")]
    data: PathBuf,
    /// Account id that the vault's ARNs carry
    #[arg(long, default_value = "111122223333", value_parser = account)]
    account: String,
    /// Region for clients that name none
    #[arg(long, default_value = "us-east-1", value_parser = region)]
    region: String,
    /// Keep the root key in this file (made with mode 0600); default DATA/root.key
    #[arg(long, conflicts_with = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// Derive the root key from the passphrase in this file (Argon2id); `-` is standard input
    #[arg(long)]
    passphrase_file: Option<PathBuf>,
    /// Further host name or address for the server's certificate; may be repeated
    #[arg(long = "server-name", value_name = "NAME")]
    server_names: Vec<String>,
}

pub(crate) fn account(text: &str) -> Result<String, String> {
    if is_account_id(text) { Ok(text.to_owned()) } else { Err("an account id has 12 digits".into()) }
}

pub(crate) fn region(text: &str) -> Result<String, String> {
    if is_region(text) { Ok(text.to_owned()) } else { Err("a Region looks like `us-east-1`".into()) }
}

pub(crate) fn run(arguments: &InitArguments) -> Result<ExitCode, Failure> {
    let plan = Plan {
        account: &arguments.account,
        region: &arguments.region,
        tls: Some("127.0.0.1:8443"),
        server_names: &arguments.server_names,
        policies: STARTER_POLICY,
    };
    let unlock = match (&arguments.key_file, &arguments.passphrase_file) {
        (_, Some(path)) if path.as_os_str() != "-" => UnlockFrom::PassphraseFile(absolute(path)?),
        (_, Some(path)) => UnlockFrom::PassphraseFile(path.clone()),
        (Some(path), None) => UnlockFrom::KeyFile(absolute(path)?),
        (None, None) => UnlockFrom::KeyFile(arguments.data.join("root.key")),
    };
    let config = create(&arguments.data, &plan, &unlock)?;
    say(format_args!("vault made in {}", config.data.display()));
    tell(format_args!(
        "next: sealdock serve --data {data}\n      sealdock key create --user operator --socket {data}/sealdock.sock\n\
         keep a copy of the root key apart from the vault: without it nothing in the vault can be read",
        data = config.data.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What a new data directory is made of.
pub(crate) struct Plan<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) tls: Option<&'a str>,
    pub(crate) server_names: &'a [String],
    /// Text of the first policy file, with `ACCOUNT` for the account id.
    pub(crate) policies: &'a str,
}

/// Makes the directory, the key, the vault, the certificates and the configuration.
/// A failure half way removes what was made, so that the command can be repeated.
pub(crate) fn create(data: &Path, plan: &Plan<'_>, unlock: &UnlockFrom) -> Result<Config, Failure> {
    let failed = |what: &Path, e: &dyn std::fmt::Display| {
        Failure::new(2, format!("cannot make `{}`: {e}", what.display()))
    };
    refuse_used(data)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(|e| failed(data, &e))?;
    // Two at once would otherwise take each other's files away.
    let lock = std::fs::File::open(data).map_err(|e| failed(data, &e))?;
    lock.try_lock().map_err(|_| failed(data, &"another process is making a vault there"))?;
    refuse_used(data)?;
    if let UnlockFrom::KeyFile(path) = unlock {
        create_key_file(path).map_err(|e| Failure::new(2, e))?;
    }
    let made = populate(data, plan, unlock);
    if made.is_err() {
        if let UnlockFrom::KeyFile(path) = unlock {
            let _ = std::fs::remove_file(path);
        }
        // Only what this call put into the directory that was empty before.
        for name in ["vault.redb", "vault.redb.new", config::FILE] {
            let _ = std::fs::remove_file(data.join(name));
        }
        for name in ["tls", "policies", "audit"] {
            let _ = std::fs::remove_dir_all(data.join(name));
        }
    }
    made
}

fn refuse_used(data: &Path) -> Result<(), Failure> {
    if std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some()) {
        let already = data.join(config::FILE).exists();
        let why = if already {
            "there is a vault here already; it was left as it is"
        } else {
            "the directory is not empty"
        };
        return Err(Failure::new(3, format!("`{}`: {why}", data.display())));
    }
    Ok(())
}

fn populate(data: &Path, plan: &Plan<'_>, unlock: &UnlockFrom) -> Result<Config, Failure> {
    let failed = |what: &Path, e: &dyn std::fmt::Display| {
        Failure::new(2, format!("cannot make `{}`: {e}", what.display()))
    };
    let text = configuration(plan, unlock, data);
    let config = Config::parse(data, config::FILE, &text).map_err(|e| Failure::new(2, e))?;
    let unlock = unlock.read().map_err(|e| Failure::new(2, e))?;
    let store = Arc::new(EmbeddedStore::create(&config.vault_file()).map_err(|e| Failure::new(3, e))?);
    let vault = Vault::create(store.as_ref(), &unlock)
        .and_then(|()| Vault::open(store, &unlock, Arc::new(SystemClock)));
    vault.map_err(|e| Failure::new(if matches!(e, VaultError::RootKey(_)) { 2 } else { 3 }, e))?;
    crate::server::tls::create(&config.tls_directory(), plan.server_names).map_err(|e| Failure::new(2, e))?;
    for directory in [&config.policies, &config.audit] {
        std::fs::DirBuilder::new().mode(0o700).create(directory).map_err(|e| failed(directory, &e))?;
    }
    let policy = config.policies.join("account.json");
    write_new(&policy, &plan.policies.replace("ACCOUNT", plan.account)).map_err(|e| failed(&policy, &e))?;
    // The configuration comes last: a directory that has one is complete.
    let path = data.join(config::FILE);
    write_new(&path, &text).map_err(|e| failed(&path, &e))?;
    Ok(config)
}

/// Who may write these files decides who may do what: nobody else may, whatever the umask.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|e| Failure::new(2, format!("`{}`: {e}", path.display())))
}

fn configuration(plan: &Plan<'_>, unlock: &UnlockFrom, data: &Path) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let unlock = match unlock {
        UnlockFrom::KeyFile(path) => {
            let shown = path.strip_prefix(data).unwrap_or(path);
            format!("key-file = {}", quoted(&shown.display().to_string()))
        }
        UnlockFrom::PassphraseFile(path) => {
            format!("passphrase-file = {}", quoted(&path.display().to_string()))
        }
    };
    let tls = plan.tls.map(|address| format!("tls = {}\n", quoted(address))).unwrap_or_default();
    let names: Vec<String> = plan.server_names.iter().map(|name| quoted(name)).collect();
    let names =
        if names.is_empty() { String::new() } else { format!("server-names = [{}]\n", names.join(", ")) };
    format!(
        "# Sealdock's broker. Paths are relative to this file's directory.\n\
         account = {}\nregion = {}\npolicies = \"policies\"\n\n\
         [unlock]\n{unlock}\n\n\
         [listen]\n{tls}# http = \"127.0.0.1:8080\"   # plain HTTP; loopback addresses only\nsocket = \"sealdock.sock\"\n{names}",
        quoted(plan.account),
        quoted(plan.region),
    )
}

const STARTER_POLICY: &str = include_str!("starter-policy.json");
