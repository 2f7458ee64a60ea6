//! How much memory the process can still get: read from `/proc` and the control groups on Linux, unknown elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes that can still be allocated, if the operating system tells: the least of what the machine has available and what
/// the limits of the process and of its control groups (those of a container, for example) leave.
pub(super) fn available() -> Option<u64> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let groups = read("/proc/self/cgroup").lines().filter_map(group_folder).flat_map(left_in_groups).min();
    let limits = [
        field(&read("/proc/meminfo"), "MemAvailable:"),
        left_of_address_space(&read("/proc/self/limits"), &read("/proc/self/status")),
        groups,
    ];
    limits.into_iter().flatten().min()
}

/// Reads a number of kilobytes from a text with one field per line, and converts it to bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Bytes that the soft limit on the address space (`ulimit -v`) leaves.
fn left_of_address_space(limits: &str, status: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(field(status, "VmSize:")?))
}

/// Names of the files of a control group: limit, use, and the key in `memory.stat` of the cache that can be dropped.
type Names = [&'static str; 3];

const VERSION_2: Names = ["memory.max", "memory.current", "inactive_file"];
const VERSION_1: Names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"];

/// The root folder of a line of `/proc/self/cgroup` that can limit memory, the process's group below it, and its files.
fn group_folder(line: &str) -> Option<(&'static Path, PathBuf, Names)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let (root, names) = match controllers {
        "" => ("/sys/fs/cgroup", VERSION_2),
        _ if controllers.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", VERSION_1),
        _ => return None,
    };
    Some((Path::new(root), Path::new(root).join(group.trim_start_matches('/')), names))
}

/// Bytes that the limits of a control group, and of the groups that contain it, leave.
fn left_in_groups((root, group, names): (&'static Path, PathBuf, Names)) -> Vec<u64> {
    let above = group.ancestors().take_while(|folder| folder.starts_with(root));
    above.filter_map(|folder| left_in_group(folder, names)).collect()
}

fn left_in_group(folder: &Path, [limit, current, cache]: Names) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let limit: u64 = read(limit)?.trim().parse().ok()?;
    let current: u64 = read(current)?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix(cache)?.trim().parse().ok()).unwrap_or(0);
    Some(limit.saturating_sub(current.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilobytes_and_limits_are_read() {
        let memory = "MemTotal:  2000 kB\nMemFree: 10 kB\nMemAvailable:   1500 kB\n";
        assert_eq!(field(memory, "MemAvailable:"), Some(1500 * 1024));
        assert_eq!(field("", "MemAvailable:"), None);
        let limits =
            |limit: &str| format!("Max cpu time  unlimited\nMax address space   {limit}  unlimited  bytes\n");
        assert_eq!(left_of_address_space(&limits("1048576"), "VmSize: 24 kB\n"), Some(1_000 * 1024));
        assert_eq!(left_of_address_space(&limits("unlimited"), "VmSize: 24 kB\n"), None);
    }

    #[test]
    fn a_control_group_leaves_its_limit_less_what_is_used_and_cannot_be_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        write("memory.stat", "anon 500\ninactive_file 200\n");
        assert_eq!(left_in_group(folder.path(), VERSION_2), Some(500));
        write("memory.max", "max\n");
        assert_eq!(left_in_group(folder.path(), VERSION_2), None);
    }

    #[test]
    fn only_lines_that_limit_memory_have_a_folder() {
        let folder = |line| group_folder(line).map(|(_, group, _)| group);
        assert_eq!(folder("0::/a/b"), Some("/sys/fs/cgroup/a/b".into()));
        assert_eq!(folder("4:cpu,memory:/a"), Some("/sys/fs/cgroup/memory/a".into()));
        assert_eq!(folder("3:cpuset:/a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_how_much_is_available() {
        assert!(available().unwrap() > 1_000_000);
    }
}
