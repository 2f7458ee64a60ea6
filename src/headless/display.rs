//! Whether a window can be opened.

/// Explains why no window can be opened; `None` if a window can be opened.
///
/// On Unix machines other than macOS, this function tries to reach the display that the environment variables name, as Bevy's window
/// library does. It tries Wayland if `has_wayland` is true (the app has Bevy's feature `wayland`) and the environment names a Wayland
/// display; otherwise it tries X11. On other machines, it always returns `None`.
pub fn display_problem(has_wayland: bool) -> Option<String> {
    #[cfg(all(unix, not(target_os = "macos")))]
    {
        unix::problem(has_wayland, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }
    #[cfg(not(all(unix, not(target_os = "macos"))))]
    {
        let _ = has_wayland;
        None
    }
}

/// Whether a window can be opened; see [`display_problem`].
pub fn display_is_present(has_wayland: bool) -> bool {
    display_problem(has_wayland).is_none()
}

#[cfg(all(unix, not(target_os = "macos")))]
mod unix {
    use std::{
        net::{TcpStream, ToSocketAddrs},
        os::unix::net::UnixStream,
        path::{Path, PathBuf},
        time::Duration,
    };

    /// How long to wait for a display on another machine.
    const PATIENCE: Duration = Duration::from_secs(3);

    pub(super) fn problem(has_wayland: bool, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let (x11, wayland) = (variable("DISPLAY"), variable("WAYLAND_DISPLAY"));
        let (name, is_reachable) = match (wayland, x11) {
            (Some(name), _) if has_wayland => {
                let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from).unwrap_or_default();
                let is_reachable = UnixStream::connect(runtime.join(&name)).is_ok();
                (name, is_reachable)
            }
            (_, Some(name)) => {
                let is_reachable = x11_is_reachable(&name);
                (name, is_reachable)
            }
            (Some(name), None) => {
                return Some(format!(
                    "the display `{name}` is one of Wayland, which this program was built without (feature `wayland`)"
                ));
            }
            (None, None) => return Some("no display".into()),
        };
        (!is_reachable).then(|| format!("the display `{name}` cannot be reached"))
    }

    /// Whether the X server `host:number.screen` can be reached. Without a host it is on this machine.
    fn x11_is_reachable(name: &str) -> bool {
        let Some((host, number)) = name.rsplit_once(':') else { return false };
        let number = number.split('.').next().unwrap_or_default();
        let Ok(number) = number.parse::<u16>() else { return false };
        if host.is_empty() || host == "unix" {
            return local_x11_is_reachable(number);
        }
        if host.starts_with('/') {
            return UnixStream::connect(Path::new(name)).is_ok();
        }
        let Some(port) = number.checked_add(6000) else { return false };
        let addresses = (host, port).to_socket_addrs().into_iter().flatten();
        addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
    }

    fn local_x11_is_reachable(number: u16) -> bool {
        let path = format!("/tmp/.X11-unix/X{number}");
        #[cfg(target_os = "linux")]
        {
            use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
            let address = SocketAddr::from_abstract_name(path.as_bytes());
            if address.and_then(|address| UnixStream::connect_addr(&address)).is_ok() {
                return true;
            }
        }
        UnixStream::connect(path).is_ok()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_display_that_cannot_be_reached_is_named() {
            let with = |name: &'static str, value: &'static str| {
                problem(true, move |variable| (variable == name).then(|| value.to_owned()))
            };
            assert_eq!(problem(true, |_| None).as_deref(), Some("no display"));
            for display in [":4711", "unix:4711.0", "nonsense", ":x", "localhost:999"] {
                let found = with("DISPLAY", display).unwrap();
                assert!(found.contains(display), "{found}");
            }
            assert!(with("WAYLAND_DISPLAY", "wayland-4711").unwrap().contains("wayland-4711"));
        }

        #[test]
        fn a_display_that_answers_is_present() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("wayland-0");
            let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
            let runtime = folder.path().to_str().unwrap().to_owned();
            let variable = |variable: &str| match variable {
                "WAYLAND_DISPLAY" => Some("wayland-0".into()),
                "XDG_RUNTIME_DIR" => Some(runtime.clone()),
                _ => None,
            };
            assert_eq!(problem(true, variable), None);
            let without = problem(false, variable).unwrap();
            assert!(without.contains("`wayland-0`") && without.contains("feature `wayland`"), "{without}");
        }

        #[test]
        fn a_program_with_wayland_prefers_it() {
            let variable = |variable: &str| match variable {
                "DISPLAY" => Some(":4711".into()),
                "WAYLAND_DISPLAY" => Some("/nonexistent/wayland-0".to_owned()),
                _ => None,
            };
            assert!(problem(true, variable).unwrap().contains("wayland-0"));
            assert!(problem(false, variable).unwrap().contains(":4711"));
        }
    }
}
