//! Tests of what a container may do, and of whom it reaches.

use ud_kernel::Service;

use crate::stack::{compose, containers_of, inspect, text_of, try_compose, try_docker};

/// Returns whether a container is a service of ours; each has a container `-migrate` that has ended.
fn is_ours(name: &str) -> bool {
    Service::from_name(name).is_some()
}

#[test]
fn every_container_is_confined() {
    let services = compose(&["ps", "--all", "--services"]);
    assert!(services.lines().count() >= 14, "{services}");
    for service in services.lines() {
        let ids = compose(&["ps", "--all", "--quiet", service]);
        for id in ids.lines() {
            let tells = |format: &str| inspect(id, format);
            assert_eq!(tells("{{.HostConfig.ReadonlyRootfs}}"), "true", "{service}");
            assert_eq!(
                tells("{{json .HostConfig.CapDrop}}"),
                r#"["ALL"]"#,
                "{service}"
            );
            assert_eq!(tells("{{json .HostConfig.CapAdd}}"), "null", "{service}");
            assert_eq!(tells("{{.HostConfig.Privileged}}"), "false", "{service}");
            assert!(tells("{{json .HostConfig.SecurityOpt}}").contains("no-new-privileges"));
            assert_ne!(tells("{{.HostConfig.Memory}}"), "0", "{service}");
            assert_ne!(tells("{{.HostConfig.PidsLimit}}"), "0", "{service}");
            let user = tells("{{.Config.User}}");
            assert!(
                !matches!(user.as_str(), "" | "0" | "root" | "0:0"),
                "{service}: {user}"
            );
            let ports = tells("{{json .HostConfig.PortBindings}}");
            let is_published = ports.contains("HostPort");
            assert_eq!(is_published, service == "gateway", "{service}: {ports}");
            assert!(ports.contains("127.0.0.1") == is_published, "{ports}");
            let log = tells("{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}");
            assert!(
                log.contains("max-size") && log.contains("max-file"),
                "{service}: {log}"
            );
            if is_ours(service) {
                assert_eq!(tells("{{.State.Health.Status}}"), "healthy", "{service}");
                assert_eq!(user, "65532:65532");
            }
        }
    }
}

#[test]
fn the_images_hold_no_shell_and_nothing_that_can_be_written() {
    for service in Service::ALL.map(Service::as_str) {
        let shell = try_compose(&["exec", "-T", service, "sh", "-c", "true"]);
        assert!(!shell.status.success(), "{service}");
        let image = inspect(&containers_of(service)[0], "{{.Image}}");
        let labels = try_docker(&["inspect", "--format", "{{json .Config.Labels}}", &image]);
        let labels = text_of(&labels);
        for label in ["title", "version", "revision", "source", "licenses"] {
            assert!(
                labels.contains(&format!("org.opencontainers.image.{label}")),
                "{labels}"
            );
        }
        let signal = try_docker(&["inspect", "--format", "{{.Config.StopSignal}}", &image]);
        assert_eq!(text_of(&signal).trim(), "SIGTERM");
    }
}

/// Returns whether `port` of the containers of `to` is reached from those of `from`, by any address: who was taken over asks no
/// name server.
fn reaches(from: &str, to: &str, port: u16) -> bool {
    let network = format!("container:{}", containers_of(from)[0]);
    let image = inspect(&containers_of("gateway")[0], "{{.Image}}");
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let addresses = inspect(&containers_of(to)[0], format);
    assert!(!addresses.trim().is_empty(), "{to} has an address");
    addresses.split_whitespace().any(|address| {
        let url = format!("telnet://{address}:{port}");
        let output = try_docker(&[
            "run",
            "--rm",
            "--network",
            &network,
            "--entrypoint",
            "curl",
            &image,
            "--silent",
            "--show-error",
            "--connect-timeout",
            "2",
            "--max-time",
            "4",
            &url,
        ]);
        let text = text_of(&output);
        let is_refused = matches!(output.status.code(), Some(6 | 7));
        // 28 after a connection: nobody said anything.
        let is_silent = output.status.code() == Some(28) && !text.contains("onnect");
        assert!(
            is_refused || is_silent || output.status.success() || text.contains("onnect"),
            "{text}"
        );
        is_silent || output.status.success()
    })
}

#[test]
fn each_network_leads_to_what_it_is_for() {
    let cases = [
        ("auth", "postgres", 5432, true),
        ("auth", "redis", 6379, false),
        ("role", "redis", 6379, false),
        ("session", "redis", 6379, true),
        ("session", "postgres", 5432, false),
        ("gateway", "postgres", 5432, false),
        ("gateway", "redis", 6379, false),
        ("gateway", "auth", 8001, true),
        ("profile", "audit", 8104, true),
        ("redis", "auth", 8001, false),
        ("postgres", "redis", 6379, false),
    ];
    for (from, to, port, wanted) in cases {
        assert_eq!(reaches(from, to, port), wanted, "{from} to {to}:{port}");
    }
}
