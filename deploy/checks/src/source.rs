//! Finds the files that a package and an image are made from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Component, Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::repository;

/// Returns the folder of a package and those of the packages in this repository that it depends on, directly or not.
/// Development dependencies are left out: they are not in the program.
///
/// # Errors
/// If `cargo metadata` fails, or there is no such package.
pub fn folders_of(package: &str) -> io::Result<BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--locked",
            "--format-version=1",
        ])
        .current_dir(repository(""))
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let root = text(&metadata, "workspace_root")?;
    let mut known: BTreeMap<String, &Value> = BTreeMap::new();
    for package in list(&metadata, "packages") {
        known.insert(text(package, "name")?, package);
    }
    let mut folders = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(name) = open.pop() {
        let package = known
            .get(&name)
            .ok_or_else(|| io::Error::other(format!("no package {name}")))?;
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let folder = manifest
            .parent()
            .and_then(|folder| folder.strip_prefix(&root).ok())
            .ok_or_else(|| io::Error::other(format!("{name} is outside the repository")))?;
        if !folders.insert(folder.display().to_string()) {
            continue;
        }
        for dependency in list(package, "dependencies") {
            let ours = dependency.get("path").is_some_and(Value::is_string);
            let tests_alone = dependency.get("kind").and_then(Value::as_str) == Some("dev");
            if ours && !tests_alone {
                open.push(text(dependency, "name")?);
            }
        }
    }
    Ok(folders)
}

/// Returns the migrations and files outside a package's folder that its sources compile in: what they embed, and modules of
/// theirs that are elsewhere (`#[path = "…"]`), with what these compile in. Modules inside of others in one file are taken to
/// be beside the file.
///
/// # Errors
/// If a file cannot be read.
pub fn read_at_compile_time(folder: &str) -> io::Result<BTreeSet<String>> {
    read_at_compile_time_below(&repository(""), folder)
}

/// Returns the same of a package in the repository that is in the folder `root`.
///
/// # Errors
/// If a file cannot be read.
pub fn read_at_compile_time_below(root: &Path, folder: &str) -> io::Result<BTreeSet<String>> {
    let root = &plain(root);
    let manifest = root.join(folder);
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![manifest.join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
            continue;
        }
        if path.extension().is_none_or(|kind| kind != "rs") || !seen.insert(path.clone()) {
            continue;
        }
        let source = fs::read_to_string(&path)?;
        let beside = path.parent().unwrap_or(&path);
        for (opening, base) in [
            ("embed_migrations!(\"", manifest.as_path()),
            ("include_str!(\"", beside),
            ("include_bytes!(\"", beside),
            (MODULE, beside),
        ] {
            for after in source.split(opening).skip(1) {
                let named = after.split('"').next().unwrap_or_default();
                let target = plain(&base.join(named));
                if !target.starts_with(&manifest) {
                    found.insert(pattern_of(root, &target));
                }
                if opening == MODULE {
                    open.push(target);
                }
            }
        }
    }
    Ok(found)
}

/// How the attribute begins that says where a module's file is.
const MODULE: &str = "#[path = \"";

/// Returns the files and folders of the repository that a Dockerfile copies by name. `COPY . .` serves compilation, for
/// which cargo's metadata is more exact.
///
/// # Errors
/// If the Dockerfile exists and cannot be read.
pub fn copied_by(dockerfile: &str) -> io::Result<BTreeSet<String>> {
    let path = repository(dockerfile);
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let text = fs::read_to_string(path)?.replace("\\\n", " ");
    let mut copied = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if !words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("COPY"))
        {
            continue;
        }
        let (flags, mut paths): (Vec<&str>, Vec<&str>) =
            words.partition(|word| word.starts_with("--"));
        paths.pop();
        if flags.iter().any(|flag| flag.starts_with("--from=")) {
            continue;
        }
        for source in paths.into_iter().filter(|source| *source != ".") {
            copied.insert(pattern_of(
                &plain(&repository("")),
                &plain(&repository(source)),
            ));
        }
    }
    Ok(copied)
}

/// Returns the pattern for a path in the repository at `root`: a file is its own pattern, a folder stands for all that is in
/// it, and migrations stand for those of their owner for every database.
fn pattern_of(root: &Path, path: &Path) -> String {
    let name = path
        .strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string();
    let mut parts = name.split('/');
    if let (Some("migrations"), Some(owner)) = (parts.next(), parts.next()) {
        return format!("migrations/{owner}/**");
    }
    if path.is_dir() {
        format!("{name}/**")
    } else {
        name
    }
}

/// Resolves `..`, without looking at the disk.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn text(value: &Value, member: &str) -> io::Result<String> {
    value
        .get(member)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other(format!("cargo's metadata has no {member}")))
}

fn list<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(member)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
