//! The kernel fields we read: one line each, resolved from kernel BTF at run time.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Marks a field this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Where a field is found: `(struct, path)`, anonymous members are looked through, an array stands for its first element.
pub type Place = (&'static str, &'static str);

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident: $($ty:literal . $path:literal)|+;)*) => {
        /// Byte offsets, frozen into the object's `.rodata` before loading: the verifier sees constants.
        #[repr(C)]
        #[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
        pub struct Offsets { $($(#[$doc])* pub $name: u32,)* }

        /// The places of each field, in the order of [`Offsets`]; the first that the kernel has is taken.
        pub const FIELDS: &[(&str, &[Place])] = &[$((stringify!($name), &[$(($ty, $path)),+]),)*];
        pub const FIELD_COUNT: usize = FIELDS.len();

        impl Offsets {
            pub const fn absent() -> Self { Self { $($name: ABSENT,)* } }
        }
    };
}

fields! {
    // struct sock
    sk_family: "sock"."__sk_common.skc_family";
    sk_state: "sock"."__sk_common.skc_state";
    sk_daddr: "sock"."__sk_common.skc_daddr";
    sk_rcv_saddr: "sock"."__sk_common.skc_rcv_saddr";
    sk_v6_daddr: "sock"."__sk_common.skc_v6_daddr";
    sk_v6_rcv_saddr: "sock"."__sk_common.skc_v6_rcv_saddr";
    sk_dport: "sock"."__sk_common.skc_dport";
    sk_num: "sock"."__sk_common.skc_num";
    sk_net: "sock"."__sk_common.skc_net.net";
    sk_protocol: "sock"."sk_protocol";
    sk_uid: "sock"."sk_uid";
    sk_cookie: "sock"."__sk_common.skc_cookie";
    sk_bound_dev_if: "sock"."__sk_common.skc_bound_dev_if";
    /// The byte with `skc_reuse`, `skc_reuseport` and, in bit 5, `skc_ipv6only`.
    sk_reuse: "sock"."__sk_common.skc_reuse";
    sk_type: "sock"."sk_type";
    sk_err: "sock"."sk_err";
    sk_shutdown: "sock"."sk_shutdown";
    sk_flags: "sock"."__sk_common.skc_flags";
    sk_socket: "sock"."sk_socket";
    sk_mark: "sock"."sk_mark";
    sk_rcvbuf: "sock"."sk_rcvbuf";
    sk_rmem_alloc: "sock"."sk_backlog.rmem_alloc";
    sk_wmem_alloc: "sock"."sk_wmem_alloc";
    udp_deficit: "udp_sock"."forward_deficit";
    /// The first message that waits to be read, and how many do; of a UNIX listener, connections.
    sk_receive_queue: "sock"."sk_receive_queue";
    sk_received: "sock"."sk_receive_queue.qlen";
    unix_addr: "unix_sock"."addr";
    unix_peer: "unix_sock"."peer";
    /// Bytes that wait in a stream (6.17).
    unix_inq_len: "unix_sock"."inq_len";
    unix_addr_len: "unix_address"."len";
    unix_addr_family: "unix_address"."name";
    /// What was read of a message already.
    unix_consumed: "unix_skb_parms"."consumed";
    sk_drops: "sock"."sk_drops";
    sk_ack_backlog: "sock"."sk_ack_backlog";
    sk_max_ack_backlog: "sock"."sk_max_ack_backlog";
    /// Two counters of a socket that keeps them apart (6.18); null: `sk_drops` counts.
    sk_drop_counters: "sock"."sk_drop_counters";
    numa_drops0: "numa_drop_counters"."drops0";
    numa_drops1: "numa_drop_counters"."drops1";
    /// From 5.14; before, `sk_cgrp_val` holds the pointer with flag bits.
    sk_cgroup: "sock"."sk_cgrp_data.cgroup";
    sk_cgrp_val: "sock"."sk_cgrp_data.val";

    // struct tcp_sock and what it contains
    tcp_sport: "tcp_sock"."inet_conn.icsk_inet.inet_sport";

    tcp_bytes_sent: "tcp_sock"."bytes_sent";
    tcp_bytes_retrans: "tcp_sock"."bytes_retrans";
    tcp_bytes_received: "tcp_sock"."bytes_received";
    tcp_segs_in: "tcp_sock"."segs_in";
    tcp_segs_out: "tcp_sock"."segs_out";
    tcp_total_retrans: "tcp_sock"."total_retrans";
    tcp_snd_una: "tcp_sock"."snd_una";
    tcp_srtt_us: "tcp_sock"."srtt_us";
    /// When the kernel last looked at the clock for this connection, monotonic, nanoseconds.
    tcp_clock_cache: "tcp_sock"."tcp_clock_cache";
    tcp_min_rtt: "tcp_sock"."rtt_min.s.v";
    tcp_rto: "tcp_sock"."inet_conn.icsk_rto";
    tcp_pending: "tcp_sock"."inet_conn.icsk_pending";
    /// Five bits of a byte.
    tcp_ca_state: "tcp_sock"."inet_conn.icsk_ca_state";
    /// An empty list head points at itself: in a socket just cloned it still points into the listener.
    tcp_self_list: "tcp_sock"."tsq_node" | "tcp_sock"."tsorted_sent_queue";
    tcp_rcv_nxt: "tcp_sock"."rcv_nxt";
    tcp_copied_seq: "tcp_sock"."copied_seq";
    tcp_write_seq: "tcp_sock"."write_seq";
    tcp_retransmits: "tcp_sock"."inet_conn.icsk_retransmits";
    tcp_probes_out: "tcp_sock"."inet_conn.icsk_probes_out";
    /// When the retransmission timer fires, in jiffies; its timer moved about.
    tcp_timeout: "tcp_sock"."inet_conn.icsk_timeout" | "tcp_sock"."inet_conn.icsk_retransmit_timer.expires"
        | "sock"."tcp_retransmit_timer.expires";
    tcp_keepalive_expires: "tcp_sock"."inet_conn.icsk_keepalive_timer.expires" | "sock"."sk_timer.expires";
    tcp_keepalive_pprev: "tcp_sock"."inet_conn.icsk_keepalive_timer.entry.pprev" | "sock"."sk_timer.entry.pprev";
    tcp_synq_len: "tcp_sock"."inet_conn.icsk_accept_queue.qlen";

    // entries of the TCP table that are no full sockets
    tw_substate: "inet_timewait_sock"."tw_substate";
    tw_mark: "inet_timewait_sock"."tw_mark";
    tw_expires: "inet_timewait_sock"."tw_timer.expires";
    req_expires: "request_sock"."rsk_timer.expires";
    req_mark: "inet_request_sock"."ir_mark";

    // struct request_sock and tcp_skb_cb
    skb_cb: "sk_buff"."cb";
    cb_seq: "tcp_skb_cb"."seq";
    cb_gso_segs: "tcp_skb_cb"."tcp_gso_segs";
    cb_flags: "tcp_skb_cb"."tcp_flags";
    req_num_retrans: "request_sock"."num_retrans";
    req_snt_isn: "tcp_request_sock"."snt_isn";

    // struct sk_buff
    skb_sk: "sk_buff"."sk";
    skb_dev: "sk_buff"."dev";
    skb_iif: "sk_buff"."skb_iif";
    skb_len: "sk_buff"."len";
    skb_data: "sk_buff"."data";
    skb_head: "sk_buff"."head";
    skb_tail: "sk_buff"."tail";
    skb_protocol: "sk_buff"."protocol";
    skb_network: "sk_buff"."network_header";
    skb_transport: "sk_buff"."transport_header";
    skb_mac: "sk_buff"."mac_header";
    skb_vlan_tci: "sk_buff"."vlan_tci";
    skb_vlan_proto: "sk_buff"."vlan_proto";
    /// When a packet came in (wall clock), or when it may leave.
    skb_tstamp: "sk_buff"."tstamp";
    skb_users: "sk_buff"."users.refs.counter";

    // struct sk_buff and routes, for ICMP
    skb_refdst: "sk_buff"."_skb_refdst";
    skb_next: "sk_buff"."next";
    dst_error: "dst_entry"."error";
    rt4_flags: "rtable"."rt_flags";
    rt6_flags: "rt6_info"."rt6i_flags";
    sk_write_queue: "sock"."sk_write_queue";
    bxm_skb: "icmp_bxm"."skb";
    bxm_icmp: "icmp_bxm"."data.icmph";

    // struct flowi4 and flowi6: both begin with flowi_common
    fl_oif: "flowi_common"."flowic_oif";
    fl_iif: "flowi_common"."flowic_iif";
    fl_l3mdev: "flowi_common"."flowic_l3mdev";
    fl_mark: "flowi_common"."flowic_mark";
    fl_proto: "flowi_common"."flowic_proto";
    fl_flags: "flowi_common"."flowic_flags";
    fl_uid: "flowi_common"."flowic_uid";
    fl4_saddr: "flowi4"."saddr";
    fl4_daddr: "flowi4"."daddr";
    fl4_ports: "flowi4"."uli";
    fl6_saddr: "flowi6"."saddr";
    fl6_daddr: "flowi6"."daddr";
    fl6_ports: "flowi6"."uli";
    /// Kept when the socket has given its port back.
    inet_sport: "inet_sock"."inet_sport";
    /// The flow of a TCP socket's own lookups.
    inet_flow: "inet_sock"."cork.fl";
    fib6_entry: "fib6_result"."f6i";
    fib6_type: "fib6_result"."fib6_type";
    fib6_table_id: "fib6_table"."tb6_id";
    net_fib6_null: "net"."ipv6.fib6_null_entry";
    net_fib6_rules: "net"."ipv6.fib6_has_custom_rules";

    // struct neighbour
    neigh_tbl: "neighbour"."tbl";
    neigh_state: "neighbour"."nud_state";
    neigh_dead: "neighbour"."dead";
    neigh_ha: "neighbour"."ha";
    neigh_dev: "neighbour"."dev";
    neigh_key: "neighbour"."primary_key";
    neigh_family: "neigh_table"."family";
    dev_addr_len: "net_device"."addr_len";

    // devices, namespaces, tasks, files
    task_stack: "task_struct"."stack";
    task_flags: "task_struct"."flags";
    task_nsproxy: "task_struct"."nsproxy";
    nsproxy_net: "nsproxy"."net_ns";
    dev_ifindex: "net_device"."ifindex";
    dev_name: "net_device"."name";
    dev_net: "net_device"."nd_net.net";
    net_inum: "net"."ns.inum";
    net_syncookies: "net"."ipv4.sysctl_tcp_syncookies";
    net_max_syn_backlog: "net"."ipv4.sysctl_max_syn_backlog";
    cgroup_kn: "cgroup"."kn";
    cgroup_level: "cgroup"."level";
    kn_id: "kernfs_node"."id";
    kn_parent: "kernfs_node"."__parent" | "kernfs_node"."parent";
    task_tgid: "task_struct"."tgid";
    task_pid: "task_struct"."pid";
    task_leader: "task_struct"."group_leader";
    task_comm: "task_struct"."comm";
    socket_sk: "socket"."sk";
    socket_state: "socket"."state";
    socket_file: "socket"."file";
    socket_inode: "socket_alloc"."vfs_inode";
    inode_ino: "inode"."i_ino";
    inode_mode: "inode"."i_mode";
    file_inode: "file"."f_inode";
    file_count: "file"."f_count";
    /// From 6.13, counted from 0.
    file_ref: "file"."f_ref";
    files_count: "files_struct"."count";
    task_signal: "task_struct"."signal";
    signal_threads: "signal_struct"."nr_threads";
    /// Until 5.15: the walk over files holds the table.
    iter_files: "bpf_iter_seq_task_file_info"."files";
    file_private: "file"."private_data";
    file_ops: "file"."f_op";
    task_files: "task_struct"."files";
    files_fdt: "files_struct"."fdt";
    fdt_max: "fdtable"."max_fds";
    fdt_fd: "fdtable"."fd";

    // arguments of a system call: x86_64; the first and the rest on arm64, where the result takes the first one's place
    regs_di: "pt_regs"."di" | "pt_regs"."orig_x0";
    regs_si: "pt_regs"."si";
    regs_array: "pt_regs"."regs";

    // where a packet goes
    rt_type: "rtable"."rt_type";
}
