//! The process itself, from `/proc/self`, which a hardened unit leaves readable.

use std::fs;

use prometheus::proto::MetricFamily;

use super::samples::{counter, gauge};
use crate::recorder::Shared;

/// Clock ticks per second of `/proc/self/stat`; the kernel's interface fixes it.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn families(shared: &Shared) -> Vec<MetricFamily> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let build = shared.build();
    let labels = vec![
        ("version", build.version.as_str()),
        ("commit", build.commit.as_str()),
        ("config_hash", build.config_hash.as_str()),
    ];
    let (reloaded, reloaded_at) = shared.last_reload();
    let started = shared.started().as_secs_f64();
    let last_turn = shared.last_turn().map_or(0.0, |at| at.as_secs_f64());
    let log = shared.log();
    let messages = log.messages.map(|(level, count)| (vec![("level", level)], count as f64));
    let one = |value: f64| [(vec![], value)];
    let kib = |key| field(&status, key) * 1024.0;
    vec![
        gauge("mm_build_info", "Always 1; which build and configuration runs.", [(labels, 1.0)]),
        gauge("mm_start_timestamp_seconds", "When the process started.", one(started)),
        gauge(
            "mm_last_turn_timestamp_seconds",
            "When the engine loop turned last; 0 before the first turn.",
            one(last_turn),
        ),
        gauge(
            "mm_config_reload_success",
            "1 if the last load of the configuration succeeded.",
            one(f64::from(u8::from(reloaded))),
        ),
        gauge(
            "mm_config_reload_timestamp_seconds",
            "When the configuration was loaded last.",
            one(reloaded_at.as_secs_f64()),
        ),
        counter("mm_log_messages_total", "Log messages, by level.", messages),
        counter(
            "mm_log_dropped_total",
            "Log lines dropped because an output could not keep up.",
            one(log.dropped as f64),
        ),
        counter(
            "mm_log_write_failures_total",
            "Log lines lost, and rotations failed, because an output refused them.",
            one(log.write_failures as f64),
        ),
        counter(
            "process_cpu_seconds_total",
            "User and system CPU time spent in seconds.",
            one(cpu_seconds(&stat)),
        ),
        gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            one(kib("VmRSS:")),
        ),
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", one(kib("VmSize:"))),
        gauge("process_threads", "Number of OS threads.", one(field(&status, "Threads:"))),
        gauge("process_open_fds", "Number of open file descriptors.", one(open_files())),
        gauge(
            "process_max_fds",
            "Maximum number of open file descriptors.",
            one(field(&limits, "Max open files")),
        ),
        gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            one(started),
        ),
    ]
}

/// The first number after a key at the start of a line.
fn field(text: &str, key: &str) -> f64 {
    let rest = text.lines().find_map(|line| line.strip_prefix(key));
    rest.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

/// `utime` and `stime`: the 12th and 13th fields after the program's name, which may hold blanks.
fn cpu_seconds(stat: &str) -> f64 {
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|text| text.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

/// Open files, the directory being read left out.
fn open_files() -> f64 {
    fs::read_dir("/proc/self/fd").map_or(0.0, |files| files.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_formats_of_proc() {
        assert_eq!(field("Name:\tx\nVmRSS:\t  1024 kB\n", "VmRSS:"), 1024.0);
        assert_eq!(field("", "VmRSS:"), 0.0);
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), 2.0);
        assert_eq!(cpu_seconds(""), 0.0);
    }
}
