//! `penstock-load JOB`: sets up tunnels through a forward proxy, as many as it can or so many that stay open. The job
//! and what was found are JSON, for it is a benchmark that starts this and reads it.
//!
//! One thread for each client, blocking calls, nothing but the standard library: what is measured is the proxy, and
//! every microsecond of this program is taken from it where they share cores.

mod hold;
mod job;
mod rate;
mod setup;

use std::io::Write;
use std::process::ExitCode;

use crate::job::Job;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if this fails, too.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let text =
        std::env::args().nth(1).ok_or("give one argument: the job, as JSON (crates/load/src/job.rs)")?;
    let job: Job = serde_json::from_str(&text).map_err(|error| format!("the job cannot be read: {error}"))?;
    match job {
        Job::Rate(rate) => tell(&rate.run()?),
        Job::Hold(hold) => {
            let held = hold.open()?;
            tell(&held.report())?;
            held.until_stdin_ends()
        }
    }
}

fn tell(found: &impl serde::Serialize) -> Result<(), String> {
    let line = serde_json::to_string(found).map_err(|error| error.to_string())?;
    writeln!(std::io::stdout(), "{line}").map_err(|error| format!("stdout: {error}"))
}
