//! Parses the arguments and the request, calls the module that carries them out, and returns the
//! program's output.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::{env, process};

use crate::answer::GateAnswer;
use crate::args::{self, GateArgs, GateCommand};
use crate::context::gate_path;
use crate::output::{Output, clean};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::{self, GateRequest, Job, Name};
use crate::{
    config_file, diagnose, host, job, readiness, sudo, sudoers, syslog, timeout, timestamps, usage,
};

/// Maximum length in bytes of an answer that an agent forwards. It must fit into a version 2 packet
/// of NRPE, which carries 1023 bytes. Packets of other versions can hold more, but for them
/// check_nrpe may send a query twice.
const FORWARDED: usize = 1000;

/// Runs the command that the arguments select, and returns this program's output.
pub(crate) fn main(argv: &[OsString]) -> Output {
    let args = match args::read(argv) {
        Ok(args) => args,
        // The arguments come from authorized_keys or from an agent's configuration. If they are
        // invalid, report this to the server as well, in a framed answer.
        Err(refusal) => {
            let stderr = format!("repair_gate: {}\n", refusal.text);
            return Output { stderr, ..answered(&GateAnswer::Refused(refusal, None)) };
        }
    };
    match &args.command {
        GateCommand::Serve => answered(&serve(&args)),
        GateCommand::Repair(name) => {
            answered(&repair(&args, name).shortened(&host::name(), FORWARDED))
        }
        GateCommand::Help => plain_output(Ok(args::HELP.to_owned())),
        GateCommand::Version => {
            plain_output(Ok(format!("repair_gate {}\n", env!("CARGO_PKG_VERSION"))))
        }
        GateCommand::Check => plain_output(
            config_file::load(&args.config)
                .map(|repairs| config_file::overview(&args.config, &repairs)),
        ),
        GateCommand::Sudoers(user) => plain_output(sudoers_file(&args, user)),
        GateCommand::Within(limit, argv) => timeout::main(argv, *limit),
    }
}

fn sudoers_file(args: &GateArgs, user: &str) -> Result<String, Rejection> {
    let repairs = config_file::load(&args.config)?;
    sudoers::file(&repairs, user, &gate_path()?, sudo::requires_terminal(user)?)
}

fn answered(answer: &GateAnswer) -> Output {
    let (stdout, code) = (answer.frame(&host::name()), answer.code());
    Output { stdout, stderr: String::new(), code, must_arrive: false }
}

fn plain_output(text: Result<String, Rejection>) -> Output {
    let (stdout, stderr, code) = match text {
        Ok(stdout) => (stdout, String::new(), 0),
        Err(refusal) => (String::new(), format!("repair_gate: {}\n", refusal.text), 3),
    };
    Output { stdout, stderr, code, must_arrive: true }
}

/// Answers the request in SSH_ORIGINAL_COMMAND, and logs it with the client's address.
fn serve(args: &GateArgs) -> GateAnswer {
    let command = env::var_os("SSH_ORIGINAL_COMMAND");
    let peer = syslog::peer(env::var("SSH_CONNECTION").ok().as_deref());
    let shown = clean(&command.as_deref().unwrap_or_default().to_string_lossy(), 200);
    let answer = match request::parse(command.as_deref().map(OsStrExt::as_bytes)) {
        Ok(request) => dispatch(args, request, &peer),
        Err(bad) => GateAnswer::Refused(RejectionReason::BadRequest.because(bad.text), bad.job),
    };
    logged(&peer, &shown, answer)
}

/// Runs the repair that the arguments name. The caller chooses no job ID, so each call starts a new
/// job.
fn repair(args: &GateArgs, name: &Name) -> GateAnswer {
    let peer = "a program on this host";
    let job = Job::local(timestamps::to_millis(timestamps::now()), process::id());
    let answer = job::repair(args, name, &job, peer)
        .unwrap_or_else(|refusal| GateAnswer::Refused(refusal, None));
    logged(peer, &format!("repair {name}"), answer)
}

fn logged(peer: &str, request: &str, answer: GateAnswer) -> GateAnswer {
    let log = if answer.code() == 0 { syslog::info } else { syslog::warn };
    log(&format!("{peer} requested '{request}': {}", answer.summary()));
    answer
}

fn dispatch(args: &GateArgs, request: GateRequest, peer: &str) -> GateAnswer {
    let (answer, job) = match request {
        GateRequest::Version => (Ok(GateAnswer::Version), None),
        GateRequest::List => (config_file::load(&args.config).map(GateAnswer::List), None),
        GateRequest::Diagnose(name) => (diagnose::diagnose(args, name), None),
        GateRequest::Ready(name) => (readiness::ready(args, name), None),
        GateRequest::Usage => (usage::usage(args), None),
        GateRequest::Status(job) => (job::status(args, &job), Some(job)),
        GateRequest::Repair(name, job) => (job::repair(args, &name, &job, peer), Some(job)),
    };
    answer.unwrap_or_else(|refusal| GateAnswer::Refused(refusal, job))
}
