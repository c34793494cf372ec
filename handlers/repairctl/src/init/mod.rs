//! `repairctl init`: writes a first policy, creates a key pair, and sets up a host.

pub mod args;
mod error;
mod host;
mod icinga2;
mod login;
mod merge;
mod recipe;
mod script;
mod server;

use std::path::Path;

use engine::account;
use engine::configuration::{self, MainFile};
use plugin_kit::{Out, Problem, ToolResult};
use privsep::{Account, quoted};

use crate::context::{Context, DEFAULT_POLICY};
use crate::gate_setup;
use crate::paste::{self, Paste};
use crate::split::{CommandResult, Split};
use args::InitArgs;
use error::InitError;
use recipe::Recipe;
use script::{GateSource, RepairsFile};
use server::{NagiosSettings, ServerSetup};

impl Split for InitArgs {
    type Data = NagiosSettings;

    fn account(&self, context: &Context) -> Result<Option<Account>, Problem> {
        Ok(account::to_become(self.nagios_user.as_deref(), context.nagios_cfg.as_deref())?)
    }

    fn validate(&self, context: &Context) -> Result<(), Problem> {
        Recipe::read_all(&self.repairs)?;
        if !context.policy.is_absolute() || !self.dir.is_absolute() {
            let text = "--policy and --dir must be absolute paths, because Nagios can start \
                        programs in any directory; nothing was done";
            return Err(Problem::Usage(text.into()));
        }
        if !rustix::process::geteuid().is_root() {
            return Err(InitError::NotRoot.into());
        }
        Ok(())
    }

    fn collect(&self, context: &Context) -> Result<NagiosSettings, Problem> {
        let main = MainFile::find(context.nagios_cfg.as_deref())?;
        let get = |name| main.as_ref().and_then(|main| main.text(name)).map(str::to_owned);
        Ok(NagiosSettings {
            user: main.as_ref().and_then(MainFile::user).map(str::to_owned),
            command_file: get("command_file"),
            status_file: get("status_file"),
            icinga2: if main.is_none() { icinga2::node_name() } else { None },
        })
    }

    fn show(&self, nagios: NagiosSettings, context: &Context, out: &mut Out) -> CommandResult {
        let recipes = Recipe::read_all(&self.repairs)?;
        let account = &account_of_nagios(self, &nagios, context, out)?;
        let (policy, ledger_directory, nagios) = (&context.policy, &self.dir, &nagios);
        ServerSetup { policy, ledger_directory, account, nagios }.set_up(&recipes, out)?;
        if nagios.icinga2.is_some() {
            icinga2::new_user(policy, account, out)?;
        }
        if !self.repairs.is_empty()
            && !server::add_repairs(&context.policy, &recipes, self.yes, out)?
        {
            return Ok(ToolResult::Failed);
        }
        let found = match &self.target {
            Some(host) => host::set_up(self, host, context, &recipes, out)?,
            None => {
                print_script(context, recipe::repairs_json(&recipes), out);
                ToolResult::Fine
            }
        };
        if found == ToolResult::Fine {
            print_next_steps(self, &recipes, context, (account, nagios), out);
        }
        Ok(found)
    }
}

/// Prints and returns the account Nagios runs as. Does not trust the name in nagios.cfg if accounts
/// other than root can change that file.
fn account_of_nagios(
    args: &InitArgs,
    nagios: &NagiosSettings,
    context: &Context,
    out: &mut Out,
) -> Result<Account, Problem> {
    let main = MainFile::of_root(context.nagios_cfg.as_deref());
    let account = account::find(args.nagios_user.as_deref(), main.as_ref())?;
    if let (Some(user), None, None) = (&nagios.user, &args.nagios_user, &main)
        && *user != account.name
    {
        return Err(InitError::UnprovenUser(user.clone()).into());
    }
    let source = match &main {
        _ if args.nagios_user.is_some() => "from --nagios-user".to_owned(),
        Some(main) if main.user().is_some() => format!("from {}", main.path().display()),
        _ => "found by its usual name".to_owned(),
    };
    out.line(format!(
        "Nagios runs as {user}:{group} ({source})",
        user = account.name,
        group = account.group
    ));
    Ok(account)
}

fn print_script(context: &Context, repairs: String, out: &mut Out) {
    let key = context
        .config()
        .map(|config| config.routes.route("", None).key)
        .unwrap_or_else(|_| context.policy.with_file_name("id_ed25519"));
    let here = host::find_gate().unwrap_or_else(|| gate_setup::GATE.into());
    out.line(format!(
        "\nOn each host that you want to repair, install the package repair-gate, or copy\n\
         {here} to {gate} with mode 755.\n\
         This static program runs on any distribution. Then run this script on the host as root:\n",
        here = here.display(),
        gate = gate_setup::GATE
    ));
    // Wrap the script in a subshell, so that an error does not end the shell into which the admin
    // pastes the script.
    let key_line = gate_setup::key_line(&key);
    let script = script::text(&GateSource::Copied, &key_line, &RepairsFile::New(repairs));
    out.line(format!("(\n{script})"));
}

/// The templates from the package `nagios-selfheal-config`, in directories that Nagios already
/// reads. If one of these files exists, init must not suggest another copy, because Nagios refuses
/// a template that is defined twice.
const PACKAGED_OBJECTS: [&str; 2] =
    ["/etc/nagios4/conf.d/selfheal-templates.cfg", "/etc/nagios/conf.d/selfheal-templates.cfg"];

/// Prints how to add the objects to Nagios, and which lines assign the repair to a service.
fn print_objects(context: &Context, share: &Path, repair: &str, out: &mut Out) {
    let file = context.nagios_cfg.clone().or_else(configuration::find);
    let file = file.unwrap_or_else(|| "nagios.cfg".into());
    if PACKAGED_OBJECTS.iter().any(|object| Path::new(object).exists()) {
        out.line("  1. add these lines to each service that needs this repair:");
    } else {
        out.line(format!("  1. add these lines to {}:", file.display()));
        for name in ["commands.cfg", "templates.cfg"] {
            out.line(format!("       cfg_file={}", share.join(name).display()));
        }
        out.line("     and these lines to each service that needs this repair:");
    }
    out.line("       use      repairable-service,generic-service");
    out.line(format!("       _REPAIR  {repair}"));
    out.line("     then restart Nagios");
}

fn print_next_steps(
    args: &InitArgs,
    recipes: &[Recipe],
    context: &Context,
    (account, nagios): (&Account, &NagiosSettings),
    out: &mut Out,
) {
    let host = args.target.as_deref().map_or("HOST".to_owned(), quoted);
    let repair = recipes.first().map_or("httpd", |recipe| recipe.name.as_str());
    let share = Path::new("/usr/share/nagios-selfheal/nagios-config");
    out.line("\nNext steps:");
    match &nagios.icinga2 {
        Some(_) => icinga2::print_objects(&context.policy, account, share, repair, out),
        None => print_objects(context, share, repair, out),
    }
    let ours = |words: &str| Paste::here(context.repairctl_with_nagios(words));
    out.line(format!("  2. {}", ours(&format!("trust {host}"))));
    out.line(format!("  3. {}", ours("doctor")));
    let policy = match context.policy == Path::new(DEFAULT_POLICY) {
        true => String::new(),
        false => format!(" --policy {}", paste::path(&context.policy)),
    };
    let call = format!(
        "runuser -u {} -- {} CRITICAL SOFT 3 --host {host} --service HTTP \
         --repair {repair}{policy} --dry-run --explain",
        quoted(&account.name),
        paste::program("handle_repair")
    );
    out.line(format!("  4. {}", Paste::here(call)));
}
