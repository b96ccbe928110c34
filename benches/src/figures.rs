//! Percentiles, CPU time, and where and when a figure was taken.

use std::time::Duration;

/// The value below which a share `p` (0 to 1) of `sorted` lies.
pub fn percentile(sorted: &[u64], p: f64) -> u64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * p).round() as usize)
        .copied()
        .unwrap_or(0)
}

/// User and system time of this process so far.
pub fn cpu_time() -> Duration {
    cpu_time_of(libc::RUSAGE_SELF)
}

/// User and system time of the processes that this one has started and waited for.
pub fn children_cpu_time() -> Duration {
    cpu_time_of(libc::RUSAGE_CHILDREN)
}

fn cpu_time_of(who: libc::c_int) -> Duration {
    // SAFETY: getrusage fills the struct it is given, which is plain data.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(who, &mut usage);
        usage
    };
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Anonymous and shared pages of this process now, in KiB.
pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let field = |name| {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        let number = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or(0)
    };
    field("RssAnon:") + field("RssShmem:")
}

/// How long the threads of this process whose names begin so have run, and how long they were ready to run and had to
/// wait for a core.
pub fn ran_and_waited(name: &str) -> (Duration, Duration) {
    let (mut ran, mut waited) = (0, 0);
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    for task in tasks.flatten().map(|task| task.path()) {
        let read = |file| std::fs::read_to_string(task.join(file)).unwrap_or_default();
        if read("comm").starts_with(name) {
            let stat = read("schedstat");
            let mut numbers = stat.split_whitespace().map_while(|n| n.parse::<u64>().ok());
            ran += numbers.next().unwrap_or(0);
            waited += numbers.next().unwrap_or(0);
        }
    }
    (Duration::from_nanos(ran), Duration::from_nanos(waited))
}

/// One line on the machine: CPU, cores, kernel.
pub fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let cpu = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cpu}, {cores} cores, Linux {}", kernel.trim())
}

/// Median of figures of several rounds.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
