//! Who runs a command on the machine.

use nix::unistd::{User, getuid};
use serde_json::{Value, json};

/// The operating system's user of this process, as the details of an audit record: `{"operator": {"uid": 0, "name":
/// "root"}}`. The number is the kernel's, not the environment's; the name is `null` where the system has none for it.
#[must_use]
pub fn operator() -> Value {
    let uid = getuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    json!({"operator": {"uid": uid.as_raw(), "name": name}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_who_runs_the_process_whatever_the_environment_says() {
        let told = operator();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|l| l.starts_with("Uid:")).unwrap();
        let uid: u32 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(told["operator"]["uid"], uid);
    }
}
