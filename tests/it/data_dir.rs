//! A `DATA_DIR` that is looked at, put away and put back while standalone does not run.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use end_to_end::{Kind, Options, Platform, Running, eventually};
use ud_kernel::Service;

/// How long a start may take; a loaded machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names below a folder, and what the files hold.
pub type Files = BTreeMap<String, Vec<u8>>;

/// All files of `folder`, which may not be there, and of `keys` in it.
pub fn files_of(folder: &Path) -> Files {
    let mut files = Files::new();
    for below in ["", "keys"] {
        for entry in fs::read_dir(folder.join(below)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Makes `folder` hold exactly `files`.
pub fn lay_out(folder: &Path, files: &Files) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder.join("keys")).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

/// The list without the line of `name`.
pub fn remove_line(folder: &Path, name: &str) {
    let list = folder.join("installation");
    let text = fs::read_to_string(&list).unwrap();
    let is_other = |line: &&str| *line != name && !line.starts_with(&format!("{name} "));
    let rest: String = text
        .lines()
        .filter(is_other)
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(rest.len() < text.len(), "{name} is listed");
    fs::write(&list, rest).unwrap();
}

/// Does what a refusal says where there is no list: the command in it, in a shell.
pub fn write_the_list_as_told(said: &str) {
    let command = said.split_once("printf ").expect(said).1;
    let command = command.split_once(". The next start").expect(said).0;
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("printf {command}")])
        .status();
    assert!(status.unwrap().success(), "{command}");
}

/// A stopped standalone with an administrator, and its `DATA_DIR`.
pub async fn installation() -> (Platform, PathBuf) {
    installation_of(Options::new(Kind::Standalone)).await
}

/// The same with other options.
pub async fn installation_of(options: Options) -> (Platform, PathBuf) {
    let platform = options.start().await;
    let _ = platform.client.newcomer_in().await;
    assert_eq!(platform.stop(Service::Auth).await.code(), Some(0));
    let folder = platform.folder().join("data");
    (platform, folder)
}

/// Starts it, and gives its exit code if it ends by itself; otherwise waits until it is ready.
pub async fn start(running: &mut Running) -> Option<i32> {
    running.start_again();
    let process = running.process();
    eventually(PATIENCE, "it is ready or has ended", || async {
        if process.is_running() {
            return running.is_ready().await.then_some(None);
        }
        Some(Some(process.wait().await.code().expect("no signal")))
    })
    .await
}

/// Starts it; it has to become ready, and the administrator of before to log in.
pub async fn starts_as_before(platform: &mut Platform) {
    let running = platform.process_mut(Service::Auth);
    let code = start(running).await;
    assert_eq!(code, None, "{}", running.process().output());
    let (email, password) = (&platform.chief.email, &platform.chief.password);
    let login = platform.client.try_log_in(email, password).await;
    assert_eq!(login.status, 200, "{login:?}");
}

/// Stops what runs.
pub async fn stop(platform: &Platform) {
    assert_eq!(platform.stop(Service::Auth).await.code(), Some(0));
}

/// Starts it; it has to end with 78 and to name `name` of `folder`. What it said.
pub async fn refuses(platform: &mut Platform, folder: &Path, name: &str) -> String {
    let running = platform.process_mut(Service::Auth);
    let code = start(running).await;
    let said = running.process().output();
    assert_eq!(code, Some(78), "{name}: {said}");
    let path = folder.join(name).display().to_string();
    assert!(said.contains(&path), "{name}: {said}");
    assert!(said.contains("back-up"), "what to do: {said}");
    said
}
