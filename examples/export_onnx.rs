//! Writes the policies of a policy file as ONNX models, for Unity (ML-Agents), Godot (Godot RL Agents), onnxruntime and
//! other programs that read ONNX.
//!
//! ```sh
//! cargo run --example export_onnx -- assets/policies/tennis.safetensors --flavor ml-agents
//! cargo run --example export_onnx -- --help
//! ```

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use bevy_maddpg::{
    policy::{
        ActionSpace, AgentSpec, ArenaSpec, Network, NetworkShape, Normalizer, OnnxFlavor, Policy,
        PolicySnapshot, Scratch,
    },
    random::{Random, stream},
    write_atomically,
};
use clap::Parser;
use rand::RngExt;
use serde::Serialize;

/// Why the models could not be written.
type Failure = Box<dyn std::error::Error>;

/// Observations in the file of `--cases`, for each policy.
const CASES: usize = 64;

/// Writes the policies of a policy file as ONNX models, one file per policy.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The policy file.
    #[arg(value_name = "POLICY.safetensors", required_unless_present = "demo")]
    policy: Option<PathBuf>,
    /// What will read the models: `plain` for onnxruntime and others, `ml-agents` for Unity, `godot-rl` for Godot.
    #[arg(long, default_value_t = OnnxFlavor::Plain)]
    flavor: OnnxFlavor,
    /// Folder for the models. Files that are there already are replaced.
    #[arg(long, default_value = "runs/onnx", value_name = "FOLDER")]
    out: PathBuf,
    /// Also write random observations and masks, with the actions that the policies choose for them, as JSON.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Instead of a policy file, export a small random policy with numbers, choices and a number that belongs to a choice.
    #[arg(long, conflicts_with = "policy")]
    demo: bool,
}

/// What a policy does with random observations.
#[derive(Serialize)]
struct Cases {
    /// The model.
    file: PathBuf,
    behavior: String,
    /// Number of numbers in an action.
    numbers: usize,
    /// Number of choices in each branch.
    branches: Vec<usize>,
    observations: Vec<Vec<f32>>,
    /// 1 for each choice that is possible and 0 for the others; empty if there are no choices or the flavor has no masks.
    masks: Vec<Vec<f32>>,
    actions: Vec<Vec<f32>>,
}

fn main() -> ExitCode {
    match export(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed, there is nowhere to report it.
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn export(arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { policy, flavor, out, cases, .. } = arguments;
    let snapshot = match policy {
        Some(path) => PolicySnapshot::load(path)?,
        None => demo()?,
    };
    fs::create_dir_all(out)
        .map_err(|error| format!("cannot create the folder {}: {error}", out.display()))?;
    let mut random = stream(1, "cases", 0);
    let mut all_cases = Vec::new();
    for policy in snapshot.policies() {
        let path = out.join(file_name(&policy.group().name));
        write(&path, &policy.to_onnx(*flavor))?;
        tell(&path, policy, *flavor)?;
        all_cases.push(self::cases(path, policy, *flavor, &mut random));
    }
    if let Some(path) = cases {
        write(path, &serde_json::to_vec(&all_cases)?)?;
    }
    Ok(())
}

/// The name of the policy, with the characters that a file's name cannot contain everywhere replaced.
fn file_name(policy: &str) -> String {
    let is_safe = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
    let name: String = policy.chars().map(|letter| if is_safe(letter) { letter } else { '_' }).collect();
    format!("{name}.onnx")
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    Ok(write_atomically(path, content)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?)
}

/// Prints what was written.
fn tell(path: &Path, policy: &Policy, flavor: OnnxFlavor) -> io::Result<()> {
    let agent = &policy.group().agent;
    let mut out = io::stdout().lock();
    writeln!(out, "{}: policy `{}` for {flavor}", path.display(), policy.group().name)?;
    for input in flavor.inputs(agent) {
        writeln!(out, "  input  {input}")?;
    }
    for output in flavor.outputs(agent) {
        writeln!(out, "  output {output}")?;
    }
    Ok(())
}

/// Lets the policy act on random observations. At least one choice of each branch is possible.
fn cases(file: PathBuf, policy: &Policy, flavor: OnnxFlavor, random: &mut Random) -> Cases {
    let agent = &policy.group().agent;
    let observations: Vec<f32> =
        (0..CASES * agent.observation_size).map(|_| random.random_range(-2.0..2.0)).collect();
    let branches: Vec<usize> = agent.action.branches().iter().map(|branch| branch.choices.len()).collect();
    let mut masks = Vec::new();
    if flavor.inputs(agent).iter().any(|input| input.name == "action_masks") {
        for count in branches.iter().cycle().take(CASES * branches.len()) {
            let possible = random.random_range(0..*count);
            let mask = |choice| choice == possible || random.random::<bool>();
            masks.extend((0..*count).map(mask).map(f32::from));
        }
    }
    let mut actions = vec![0.0; CASES * agent.action_size()];
    policy.act(&observations, &masks, &mut actions, CASES, &mut Scratch::default());
    Cases {
        file,
        behavior: agent.behavior.clone(),
        numbers: agent.action.numbers(),
        branches,
        observations: rows(&observations),
        masks: rows(&masks),
        actions: rows(&actions),
    }
}

fn rows(numbers: &[f32]) -> Vec<Vec<f32>> {
    numbers.chunks((numbers.len() / CASES).max(1)).map(<[f32]>::to_vec).collect()
}

/// A random policy that uses everything a policy can have.
fn demo() -> Result<PolicySnapshot, Failure> {
    let action = ActionSpace::default()
        .with_number("turn")
        .with_number("aim")
        .with_branch("step", ["up", "down", "left", "right"])
        .with_branch("throw", ["no", "yes"])
        .only_with("aim", "throw", "yes");
    let agent = AgentSpec::new("demo", 6, 0).with_action(action);
    let mut random = stream(1, "demo", 0);
    let shape = NetworkShape::new(agent.observation_size, &[32, 32], agent.action_size(), true);
    let network = Network { parameters: shape.initialize(1.0, &mut random), shape };
    let mut normalizer = Normalizer::identity(agent.observation_size);
    normalizer.mean.fill_with(|| random.random_range(-1.0..1.0));
    normalizer.scale.fill_with(|| random.random_range(0.5..3.0));
    normalizer.clip = Normalizer::CLIP;
    let group = ArenaSpec::new(vec![agent]).groups(true)?.remove(0);
    Ok(PolicySnapshot::new(0, 0, 0, vec![Policy::new(group, normalizer, network)?])?)
}
