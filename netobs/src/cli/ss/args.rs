//! Arguments of `netobs ss`: those of ss with their meaning, and ours.

use crate::sockets::Engine;
use clap::Args;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "\
FILTER: [ state STATE | exclude STATE ]... [ EXPRESSION ]
STATE: all connected synchronized bucket big established syn-sent syn-recv fin-wait-1 fin-wait-2
  time-wait closed close-wait last-ack listening closing
EXPRESSION: dst|src [=] ADDRESS[/BITS][:PORT], dport|sport OP :PORT, dev = NAME, fwmark = MARK[/MASK],
  cgroup = PATH, autobound; joined by and, or, not and brackets, read from left to right
OP: = != < > <= >= or eq ne lt gt le ge")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag of the command line each"
)]
pub struct Ss {
    /// Which sockets: states, then conditions on addresses, ports, devices, marks and cgroups
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,

    /// TCP
    #[arg(short = 't', long)]
    pub tcp: bool,
    /// UDP
    #[arg(short = 'u', long)]
    pub udp: bool,
    /// RAW
    #[arg(short = 'w', long)]
    pub raw: bool,
    /// UNIX
    #[arg(short = 'x', long)]
    pub unix: bool,
    /// PACKET
    #[arg(short = '0', long)]
    pub packet: bool,
    /// MPTCP
    #[arg(short = 'M', long)]
    pub mptcp: bool,
    /// SCTP
    #[arg(short = 'S', long)]
    pub sctp: bool,
    /// DCCP
    #[arg(short = 'd', long)]
    pub dccp: bool,
    /// VSOCK
    #[arg(long)]
    pub vsock: bool,
    /// XDP
    #[arg(long)]
    pub xdp: bool,
    /// IPv4
    #[arg(short = '4', long)]
    pub ipv4: bool,
    /// IPv6
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// A family: inet, inet6, link, unix, netlink, vsock, xdp
    #[arg(short = 'f', long, value_name = "FAMILY")]
    pub family: Option<String>,
    /// Tables by name, with commas, `!` takes away: all inet tcp udp udplite ping raw mptcp unix packet netlink ...
    #[arg(short = 'A', long, value_name = "TABLES", visible_alias = "socket")]
    pub query: Vec<String>,

    /// Sockets in every state
    #[arg(short = 'a', long)]
    pub all: bool,
    /// Listening sockets
    #[arg(short = 'l', long)]
    pub listening: bool,
    /// Read the expression from a file, `-` for standard input
    #[arg(short = 'F', long = "filter", value_name = "FILE")]
    pub filter_file: Option<String>,

    /// Numbers: no names of services, whole figures
    #[arg(short = 'n', long)]
    pub numeric: bool,
    /// Names of hosts
    #[arg(short = 'r', long)]
    pub resolve: bool,
    /// Processes that hold the socket
    #[arg(short = 'p', long)]
    pub processes: bool,
    /// Threads too, each by itself
    #[arg(short = 'T', long)]
    pub threads: bool,
    /// Round trip times, windows, rates, bytes, retransmits of TCP
    #[arg(short = 'i', long)]
    pub info: bool,
    /// User, inode, cookie, mark, cgroup
    #[arg(short = 'e', long)]
    pub extended: bool,
    /// Memory
    #[arg(short = 'm', long)]
    pub memory: bool,
    /// Timers
    #[arg(short = 'o', long)]
    pub options: bool,
    /// How many sockets there are, by kind
    #[arg(short = 's', long)]
    pub summary: bool,
    /// Filters attached to packet sockets
    #[arg(short = 'b', long)]
    pub bpf: bool,
    /// Type of service and traffic class
    #[arg(long)]
    pub tos: bool,
    /// Path of the cgroup
    #[arg(long)]
    pub cgroup: bool,
    /// Options of inet sockets
    #[arg(long)]
    pub inet_sockopt: bool,
    /// SELinux contexts of processes
    #[arg(short = 'Z', long, visible_short_alias = 'z')]
    pub context: bool,
    /// No header
    #[arg(short = 'H', long)]
    pub no_header: bool,
    /// One line for each socket
    #[arg(short = 'O', long)]
    pub oneline: bool,

    /// Every network namespace of the machine
    #[arg(short = 'N', long)]
    pub all_netns: bool,
    /// One network namespace: a name in /run/netns, a process id or a path
    #[arg(long, value_name = "NAME|PID", conflicts_with = "all_netns")]
    pub netns: Option<String>,
    /// Container that the socket belongs to
    #[arg(long)]
    pub container: bool,
    /// Kubernetes pod
    #[arg(long)]
    pub pod: bool,
    /// User by name
    #[arg(long)]
    pub user: bool,
    /// Whole command lines of the processes
    #[arg(long)]
    pub cmd: bool,

    /// Largest first: rtt, retrans, recvq, sendq, bytes, rate
    #[arg(long, value_name = "KEY")]
    pub sort: Option<super::order::Key>,
    /// So many sockets at most, by --sort (bytes if it is left out)
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Count by comm, remote, state, container, netns or user
    #[arg(long, value_name = "BY", conflicts_with_all = ["sort", "top", "columns", "watch"])]
    pub group_by: Option<super::grouping::By>,
    /// Columns of your choice, with commas: local,remote,rtt,retrans,comm
    #[arg(long, value_name = "NAMES")]
    pub columns: Option<String>,
    /// One JSON object per line
    #[arg(long, conflicts_with = "columns")]
    pub json: bool,
    /// Look again every so many seconds: what is new, changed or gone, with rates
    #[arg(long, value_name = "SECONDS", value_parser = crate::cli::watch::args::duration)]
    pub watch: Option<Duration>,
    /// With --watch: end after so many looks
    #[arg(long, value_name = "N", requires = "watch")]
    pub count: Option<u64>,

    /// Close the sockets that match, after asking
    #[arg(short = 'K', long)]
    pub kill: bool,
    /// With -K: do not ask
    #[arg(long)]
    pub yes: bool,

    /// Where sockets are read from
    #[arg(long, value_enum, default_value_t, value_name = "ENGINE")]
    pub engine: Engine,
}

impl Ss {
    /// Whether processes have to be known.
    pub fn holders(&self) -> bool {
        self.processes || self.threads || self.context || self.cmd
    }
}
