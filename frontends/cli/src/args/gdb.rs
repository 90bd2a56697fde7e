//! Options about GDB.

use clap::Args;

/// Options about GDB.
#[derive(Debug, Args)]
pub struct GdbArgs {
    /// Serve GDB's remote protocol at this address: the machine waits in front of its first instruction until GDB continues it. :PORT is this host alone. In GDB: target
    /// remote ADDR:PORT, then monitor help [default: none]
    #[arg(long, value_name = "ADDR:PORT")]
    gdb: Option<String>,

    /// With --gdb: do not wait for GDB, which may come at any time
    #[arg(long, requires = "gdb")]
    gdb_nowait: bool,
}

/// What is asked of GDB.
#[derive(Clone, Debug)]
pub struct GdbOptions {
    /// Where it is awaited.
    pub address: String,
    /// The machine waits for it.
    pub wait: bool,
}

impl GdbArgs {
    /// What they come to.
    pub fn options(self) -> Option<GdbOptions> {
        self.gdb.map(|address| GdbOptions { address, wait: !self.gdb_nowait })
    }
}
