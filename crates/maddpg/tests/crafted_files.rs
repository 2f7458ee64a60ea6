//! Policy files and checkpoints from strangers: whatever they contain, loading one neither panics nor allocates much more
//! than the file has.
//!
//! Each case starts from a valid file, changes it at random, and gives it a correct checksum, so that it gets past the
//! first check. `CRAFTED_FILES=100000` sets the number of cases, and `CRAFTED_FILE=1234` runs only this case.

#![expect(unsafe_code, reason = "a global allocator is an unsafe trait")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeMap,
    env, fs,
    hint::black_box,
    io::{Write, stderr},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use maddpg::{
    learner::{Device, Learner, LearnerConfig},
    policy::{ActionSpace, AgentSpec, ArenaSpec, ImageSpec, PolicySnapshot, Scratch},
    random::{Random, stream},
    transition::{SlotState, TransitionBlock},
};
use rand::RngExt;
use serde_json::{Value, json};

const MEGABYTE: usize = 1_000_000;

/// The system allocator, with counters per thread.
struct Counting;

thread_local! {
    static CASE: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// Counts an allocation. Names the case if it is so large that it probably fails, which ends the process.
fn count(size: usize) {
    if size >= 1 << 36 {
        // The harness captures what `eprintln` writes.
        let _ = writeln!(stderr(), "case {} allocates {size} bytes", CASE.get());
    }
    LIVE.set(LIVE.get().wrapping_add(size));
    // Memory from before the count started may be freed while it runs.
    if LIVE.get() < usize::MAX / 2 {
        PEAK.set(PEAK.get().max(LIVE.get()));
    }
    LARGEST.set(LARGEST.get().max(size));
}

// SAFETY: forwards all calls to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old memory is in use until its content has moved.
        count(size);
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The parts of a file.
#[derive(Clone)]
struct File {
    format: String,
    header: Value,
    tensors: Vec<Tensor>,
}

#[derive(Clone)]
struct Tensor {
    name: String,
    dtype: &'static str,
    shape: Vec<u64>,
    data: Vec<u8>,
}

impl File {
    fn parse(bytes: &[u8]) -> Self {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (text, data) = bytes[8..].split_at(length);
        let entries: BTreeMap<String, Value> = serde_json::from_slice(text).unwrap();
        let envelope = entries["__metadata__"]["bevy_maddpg"].as_str().unwrap();
        let mut envelope: Value = serde_json::from_str(envelope).unwrap();
        let tensors = entries.iter().filter(|(name, _)| *name != "__metadata__").map(|(name, info)| {
            let offset = |index: usize| info["data_offsets"][index].as_u64().unwrap() as usize;
            Tensor {
                name: name.clone(),
                dtype: if info["dtype"] == "U8" { "U8" } else { "F32" },
                shape: serde_json::from_value(info["shape"].clone()).unwrap(),
                data: data[offset(0)..offset(1)].to_vec(),
            }
        });
        Self {
            format: envelope["format"].as_str().unwrap().into(),
            tensors: tensors.collect(),
            header: envelope["header"].take(),
        }
    }

    /// The file with this text as its header, and with a correct checksum.
    fn bytes(&self, header: &str, extra: &str) -> Vec<u8> {
        let mut sorted: Vec<&Tensor> = self.tensors.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.format.as_bytes());
        hasher.update(header.as_bytes());
        let (mut entries, mut data) = (String::new(), Vec::new());
        for Tensor { name, dtype, shape, data: numbers } in sorted {
            hasher.update(name.as_bytes());
            hasher.update(format!("{dtype}{shape:?}").as_bytes());
            hasher.update(numbers);
            let (name, start, end) = (json!(name), data.len(), data.len() + numbers.len());
            entries.push_str(&format!(
                r#",{name}:{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
            ));
            data.extend_from_slice(numbers);
        }
        let (format, crc32) = (json!(self.format), hasher.finalize());
        let envelope = json!(format!(r#"{{"format":{format},"crc32":"{crc32:08x}","header":{header}}}"#));
        let text = format!(r#"{{"__metadata__":{{"bevy_maddpg":{envelope}}}{entries}{extra}}}"#);
        [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &data[..]].concat()
    }
}

fn pick<T: Clone>(random: &mut Random, values: &[T]) -> T {
    values[random.random_range(0..values.len())].clone()
}

/// A length: mostly short, sometimes long.
fn length(random: &mut Random) -> usize {
    pick(random, &[0, 1, 2, 3, 10, 100, 1_000, 5_000, 20_000, 100_000])
}

fn long_text(random: &mut Random) -> String {
    let unit = pick(random, &["a", "\"", "\\", "\u{7f}", "\u{200b}", "e\u{301}", "\u{1}", "'", "{,["]);
    unit.repeat(length(random))
}

fn number(random: &mut Random) -> Value {
    let whole = [0, 1, 2, 3, 7, 1 << 16, 1 << 20, 1 << 31, 1 << 53, 1 << 62, u64::MAX, u64::MAX - 1];
    match random.random_range(0..8) {
        0 => json!(pick(random, &[-1i64, i64::MIN, -5])),
        1 => json!(pick(random, &[0.5, -0.5, 1e-320, 1e39, 1e300, -1e300, f64::MAX])),
        _ => json!(pick(random, &whole)),
    }
}

fn value(random: &mut Random) -> Value {
    match random.random_range(0..12) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!({}),
        3 => json!(vec![number(random); length(random)]),
        4 => json!(vec![""; length(random)]),
        5 => json!(vec![json!([]); length(random)]),
        6 => json!(long_text(random)),
        7 => (0..pick(random, &[2, 60, 120])).fold(json!(0), |inner, _| json!([inner])),
        8 => json!((0..length(random)).collect::<Vec<_>>()),
        _ => number(random),
    }
}

/// Goes down to a random place in `value` and changes it.
fn change(value: &mut Value, random: &mut Random) {
    let inner: Vec<&mut Value> = match value {
        Value::Array(values) => values.iter_mut().collect(),
        Value::Object(values) => values.values_mut().collect(),
        _ => Vec::new(),
    };
    if !inner.is_empty() && random.random_range(0..6) > 0 {
        let index = random.random_range(0..inner.len());
        return change(inner.into_iter().nth(index).unwrap(), random);
    }
    match value {
        Value::Array(values) if random.random::<bool>() => match random.random_range(0..3) {
            0 if !values.is_empty() => {
                let copied = pick(random, values);
                let count = length(random).min(300_000 / copied.to_string().len());
                values.extend(vec![copied; count]);
            }
            1 => values.truncate(values.len() / 2),
            _ => values.reverse(),
        },
        Value::Object(values) if random.random_range(0..4) > 0 && !values.is_empty() => {
            let keys: Vec<String> = values.keys().cloned().collect();
            let (key, other) = (pick(random, &keys), pick(random, &keys));
            match random.random_range(0..4) {
                0 => drop(values.remove(&key)),
                1 => {
                    let value = values.remove(&key).unwrap();
                    values.insert(key + "_", value);
                }
                2 => drop(values.insert(other, values[&key].clone())),
                _ => drop(values.insert(long_text(random), self::value(random))),
            }
        }
        place => *place = self::value(random),
    }
}

fn change_tensor(file: &mut File, random: &mut Random) {
    let index = random.random_range(0..file.tensors.len());
    let other = pick(random, &file.tensors);
    let tensor = &mut file.tensors[index];
    match random.random_range(0..8) {
        0 => {
            let long = long_text(random);
            tensor.name = pick(random, &[other.name, "x".into(), long]);
        }
        1 => drop(file.tensors.remove(index)),
        2 => {
            let name = format!("{}.{}", tensor.name, random.random_range(0..3));
            file.tensors.push(Tensor { name, ..other });
        }
        3 => {
            let size = pick(random, &[1 << 31, 1 << 62, u64::MAX, 1]);
            tensor.shape = pick(random, &[vec![0, size], vec![size, 0], vec![size], vec![], vec![1; 200]]);
            if tensor.shape.contains(&0) {
                tensor.data.clear();
            }
        }
        4 => tensor.dtype = pick(random, &["F16", "BF16", "F64", "I64", "U8", "BOOL", "F4", "F99"]),
        5 if tensor.data.len() >= 4 => {
            let at = random.random_range(0..tensor.data.len() / 4) * 4;
            let bad = pick(random, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40]);
            tensor.data[at..at + 4].copy_from_slice(&bad.to_le_bytes());
        }
        6 => {
            // A valid tensor of another size.
            let size = length(random) as u64;
            tensor.shape = if tensor.shape.len() == 1 { vec![size] } else { vec![size, 1] };
            tensor.data = vec![0; size as usize * 4];
        }
        _ => tensor.shape.reverse(),
    }
}

/// Gives a policy hidden layers of other sizes, and the tensors that belong to them where they are small or empty.
fn change_layers(file: &mut File, random: &mut Random) {
    let Some(policy) = file.header.pointer_mut("/policies/0").filter(|policy| policy["agent"].is_object())
    else {
        return;
    };
    let Some(name) = policy["name"].as_str().map(String::from) else { return };
    let sizes = [0, 1, 2, 3, 33, 64, 2_000, 1 << 31, 1 << 61, u64::MAX];
    let hidden: Vec<u64> = (0..random.random_range(0..3)).map(|_| pick(random, &sizes)).collect();
    let size = |random: &mut Random| pick(random, &sizes);
    let (inputs, outputs) = (size(random), size(random));
    policy["hidden"] = json!(hidden);
    policy["agent"]["observation_size"] = json!(inputs);
    policy["agent"]["action_size"] = json!(outputs);
    file.tensors.retain(|tensor| !tensor.name.starts_with(&format!("{name}.")));
    let mut put = |part: &str, shape: &[u64]| {
        let count = shape.iter().try_fold(4u64, |count, size| count.checked_mul(*size));
        let count = count.filter(|count| *count < 1 << 20).unwrap_or(0);
        let (name, data) = (format!("{name}.{part}"), vec![0; count as usize]);
        file.tensors.push(Tensor { name, dtype: "F32", shape: shape.to_vec(), data });
    };
    let sizes: Vec<u64> = [inputs].into_iter().chain(hidden).chain([outputs]).collect();
    for (index, size) in sizes.windows(2).enumerate() {
        put(&format!("{index}.weights"), size);
        ["bias", "gain", "shift"].into_iter().for_each(|part| put(&format!("{index}.{part}"), &size[1..]));
    }
    ["mean", "scale"].into_iter().for_each(|part| put(&format!("normalizer.{part}"), &[inputs]));
}

/// Gives a policy many slots, many names, or both.
fn change_names(file: &mut File, random: &mut Random) {
    let slots = length(random);
    let name = "n".repeat(pick(random, &[0, 1, 100]));
    let names = vec![name; length(random).min(5_000)];
    if let Some(policy) = file.header.pointer_mut("/policies/0").filter(|policy| policy["agent"].is_object())
    {
        policy["slots"] = json!((0..slots).collect::<Vec<_>>());
        if random.random::<bool>() {
            let size = policy["agent"]["observation_size"].as_u64().unwrap_or(1) as usize;
            policy["agent"]["observation_names"] = json!(names[..names.len().min(size)]);
            policy["agent"]["behavior"] = json!(long_text(random));
        }
    }
}

/// Changes a file at random and gives it a correct checksum.
fn craft(base: &File, random: &mut Random) -> Vec<u8> {
    let mut file = base.clone();
    for _ in 0..random.random_range(1..4) {
        match random.random_range(0..16) {
            0..9 => change(&mut file.header, random),
            9..13 if !file.tensors.is_empty() => change_tensor(&mut file, random),
            13 => change_layers(&mut file, random),
            14 => change_names(&mut file, random),
            _ if random.random_range(0..4) == 0 => {
                let formats =
                    ["bevy_maddpg policy v1", "bevy_maddpg policy v2", "bevy_maddpg checkpoint v5", "x"];
                file.format = pick(random, &formats).into();
            }
            _ => {}
        }
    }
    let mut header = file.header.to_string();
    match random.random_range(0..40) {
        0 => header = header.replacen('{', r#"{"version":1,"#, 1),
        1 => header = "[".repeat(length(random)),
        2 => header = header.replacen(r#"":0"#, r#"":1e999"#, 1),
        _ => {}
    }
    let extra = match random.random_range(0..40) {
        0 => format!(r#","x":{}"#, value(random)),
        1 => (0..length(random).min(20_000)).map(|index| format!(r#","{index}":0"#)).collect(),
        2 => {
            let info = r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#;
            (0..length(random).min(5_000)).map(|index| format!(r#","{index}":{info}"#)).collect()
        }
        3 => {
            // Tensors that together are longer than all memory.
            file.tensors.clear();
            let size = 1u64 << 60;
            let info = |index: u64| {
                format!(
                    r#","{index}":{{"dtype":"U8","shape":[{size}],"data_offsets":[{},{}]}}"#,
                    size * index,
                    size * (index + 1)
                )
            };
            (0..15).map(info).collect()
        }
        4 => format!(r#","__metadata__":{}"#, value(random)),
        _ => String::new(),
    };
    let mut bytes = file.bytes(&header, &extra);
    match random.random_range(0..60) {
        0 => bytes.truncate(random.random_range(0..bytes.len())),
        1 => bytes[..8].copy_from_slice(&number(random).as_u64().unwrap_or(9).to_le_bytes()),
        2 => bytes.extend(vec![0; length(random)]),
        _ => {}
    }
    bytes
}

/// A number from the environment.
fn variable(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// Runs the cases of one kind: `load` loads a file from a path or from its bytes, and `after` uses what was loaded. No
/// allocation may be larger than twice the file and 1 MB; if `is_peak_bounded`, all together may not be larger than three
/// times the file and 1 MB.
fn run<T>(
    kind: &str,
    bases: &[File],
    is_peak_bounded: bool,
    mut load: impl FnMut(&Path, &[u8]) -> Result<T, String>,
    mut after: impl FnMut(T),
) {
    let single = variable("CRAFTED_FILE");
    let cases = match single {
        Some(case) => case..case + 1,
        None => 0..variable("CRAFTED_FILES").unwrap_or(2_000) / 2,
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crafted.safetensors");
    let (mut loaded, mut largest_excess, mut peak_excess) = (0, 0, 0);
    let (mut problems, count) = (Vec::new(), cases.end - cases.start);
    for case in cases {
        let random = &mut stream(case, kind, 0);
        let bytes = craft(&bases[random.random_range(0..bases.len())], random);
        fs::write(&path, &bytes).unwrap();
        CASE.set(case);
        [&LIVE, &PEAK, &LARGEST].iter().for_each(|counter| counter.set(0));
        let result = catch_unwind(AssertUnwindSafe(|| black_box(load(&path, &bytes))));
        let (peak, largest, size) = (PEAK.get(), LARGEST.get(), bytes.len());
        largest_excess = largest_excess.max(largest.saturating_sub(2 * size));
        peak_excess = peak_excess.max(peak.saturating_sub(3 * size));
        if largest > 2 * size + MEGABYTE || is_peak_bounded && peak > 3 * size + MEGABYTE {
            problems.push(format!("case {case}, {size} bytes: at most {largest} at once, {peak} together"));
        }
        match result {
            Err(_) => problems.push(format!("case {case}, {size} bytes: loading it panicked")),
            Ok(Err(reason)) if single.is_some() => println!("{reason}"),
            Ok(Err(_)) => {}
            Ok(Ok(content)) => {
                loaded += 1;
                if catch_unwind(AssertUnwindSafe(|| after(content))).is_err() {
                    problems.push(format!("case {case}, {size} bytes: using it panicked"));
                }
            }
        }
    }
    println!(
        "{kind}: {count} files, {loaded} of them loaded; beside twice the file, at most {largest_excess} bytes at once; \
         beside three times the file, {peak_excess} together"
    );
    assert!(problems.is_empty(), "{} problems with {kind}:\n{}", problems.len(), problems.join("\n"));
}

fn choosing() -> AgentSpec {
    let action = ActionSpace::default()
        .with_number("aim")
        .with_branch("move", ["left", "right", "up"])
        .with_branch("throw", ["no", "yes"])
        .only_with("aim", "throw", "yes");
    AgentSpec {
        raw: Vec::new(),
        observation_names: vec!["distance".into(), "gr\u{fc}\u{df}e".into()],
        ..AgentSpec::new("hunter", 4, 0).with_action(action)
    }
}

/// It sees two frames of 4 x 3 pixels, and another number with each.
fn seeing() -> AgentSpec {
    AgentSpec::new("eye", 2 * 13, 1).with_image(ImageSpec { frames: 2, ..ImageSpec::grey(4, 3) })
}

fn small() -> LearnerConfig {
    LearnerConfig {
        convolutions: vec![[3, 2, 1].into(), [2, 2, 1].into()],
        actor_hidden: vec![8],
        critic_hidden: vec![8],
        batch_size: 8,
        replay_capacity: 32,
        learning_starts: 1,
        ..LearnerConfig::default()
    }
}

fn learner(spec: ArenaSpec, config: LearnerConfig, rows: usize, state: SlotState) -> Learner {
    let agents = spec.agents();
    let mut slots = vec![SlotState::PRESENT; rows * agents];
    slots.iter_mut().step_by(3).for_each(|slot| *slot = state);
    let block = TransitionBlock {
        observations: vec![0.5; rows * spec.joint_observation_size()],
        actions: vec![0.0; rows * spec.joint_action_size()],
        rewards: vec![1.0; rows * agents],
        next_observations: vec![0.4; rows * spec.joint_observation_size()],
        discounts: vec![1.0; rows],
        slots,
        masks: vec![1.0; rows * spec.joint_choices()],
        next_masks: vec![1.0; rows * spec.joint_choices()],
    };
    let mut learner = Learner::new(config, spec, Device::cpu(), 0).unwrap();
    learner.remember(&block);
    (0..3).for_each(|_| assert!(learner.update(true).is_ok()));
    learner
}

fn saved(save: impl FnOnce(&Path)) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.safetensors");
    save(&path);
    let bytes = fs::read(path).unwrap();
    let file = File::parse(&bytes);
    assert_eq!(File::parse(&file.bytes(&file.header.to_string(), "")).header, file.header);
    file
}

fn two_behaviors() -> ArenaSpec {
    ArenaSpec::new(vec![AgentSpec::new("a", 3, 2), AgentSpec::new("b", 5, 1), AgentSpec::new("a", 3, 2)])
}

/// No file makes loading a policy panic or make an allocation larger than twice the file and 1 MB. All memory at one time,
/// including the bytes of the file where it is read from a path, is at most three times the file and 1 MB: a policy keeps
/// its weights twice, the second time padded to the width of vector registers.
#[test]
fn crafted_policy_files_are_refused_or_harmless() {
    let normalized = LearnerConfig { share_policies: false, ..small() };
    let crowd = ArenaSpec::new(vec![choosing(); 50]);
    let wide = ArenaSpec::new(vec![AgentSpec::new("a", 3_000, 2)]);
    let narrow = LearnerConfig { actor_hidden: vec![40, 20], ..small() };
    let bases: Vec<File> = [
        (two_behaviors(), small()),
        (two_behaviors(), normalized),
        (ArenaSpec::new(vec![choosing(); 2]), small()),
        (crowd, small()),
        (wide, narrow),
        (ArenaSpec::new(vec![seeing()]), small()),
    ]
    .map(|(spec, config)| {
        let snapshot = learner(spec, config, 16, SlotState::PRESENT).snapshot().unwrap();
        saved(|path| snapshot.save(path).unwrap())
    })
    .into();
    let load = |path: &Path, bytes: &[u8]| {
        let snapshot = if bytes.len().is_multiple_of(2) {
            PolicySnapshot::load(path)
        } else {
            PolicySnapshot::from_bytes(bytes)
        };
        snapshot.map_err(|error| error.to_string())
    };
    run("policies", &bases, true, load, |snapshot| {
        for policy in snapshot.policies() {
            let agent = &policy.group().agent;
            let mut action = vec![0.0; agent.action_size()];
            policy.act(&vec![0.5; agent.observation_size], &[], &mut action, 1, &mut Scratch::default());
        }
    });
}

/// No file makes loading a checkpoint panic or make an allocation larger than twice the file and 1 MB. The bound is only on
/// single allocations, since a learner keeps several copies of the weights.
#[test]
fn crafted_checkpoints_are_refused_or_harmless() {
    let spec = || ArenaSpec::new(vec![choosing(), choosing(), AgentSpec::new("b", 5, 1)]);
    let one_critic = LearnerConfig {
        twin_critics: false,
        critic_layer_norm: true,
        independent: vec!["b".into()],
        own_observation: vec!["hunter".into()],
        share_policies: false,
        ..small()
    };
    let without = learner(spec(), small(), 16, SlotState::PRESENT);
    let full = learner(spec(), one_critic.clone(), 40, SlotState::EMPTY);
    let absent = learner(spec(), small(), 16, SlotState::EMPTY);
    let bases = [
        saved(|path| without.save(path, false).unwrap()),
        saved(|path| full.save(path, true).unwrap()),
        saved(|path| absent.save(path, true).unwrap()),
    ];
    let sees = ArenaSpec::new(vec![seeing()]);
    let seeing = learner(sees.clone(), small(), 40, SlotState::PRESENT);
    let seeing = [saved(|path| seeing.save(path, true).unwrap())];
    for (kind, bases, spec) in
        [("checkpoints", &bases[..], spec()), ("checkpoints with images", &seeing, sees)]
    {
        let load = |path: &Path, _: &[u8]| {
            Learner::load(path, &spec, Device::cpu()).map_err(|error| error.to_string())
        };
        run(kind, bases, false, load, |mut learner| {
            if !learner.replay().is_empty() && learner.config().batch_size <= 1_000 {
                // An error says that training diverged.
                let _ = learner.update(true);
            }
            let _ = learner.snapshot();
        });
    }
}

/// The files that the changes start from can be loaded.
#[test]
fn files_that_were_not_changed_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    for absence in [SlotState::PRESENT, SlotState::EMPTY] {
        let learner = learner(two_behaviors(), small(), 40, absence);
        for with_replay in [false, true] {
            let file = saved(|path| learner.save(path, with_replay).unwrap());
            fs::write(&path, file.bytes(&file.header.to_string(), "")).unwrap();
            let loaded = Learner::load(&path, &two_behaviors(), Device::cpu()).unwrap();
            assert_eq!(loaded.snapshot().unwrap(), learner.snapshot().unwrap());
        }
        let file = saved(|path| learner.snapshot().unwrap().save(path).unwrap());
        let bytes = file.bytes(&file.header.to_string(), "");
        assert_eq!(PolicySnapshot::from_bytes(&bytes).unwrap(), learner.snapshot().unwrap());
    }
}

/// Statistics that older versions did not note are added.
#[test]
fn checkpoints_of_older_versions_are_loaded() {
    let learner = learner(two_behaviors(), small(), 40, SlotState::PRESENT);
    let mut file = saved(|path| learner.save(path, true).unwrap());
    for group in file.header["groups"].as_array_mut().unwrap() {
        assert!(group.as_object_mut().unwrap().remove("largest").is_some());
        let values = group["values"].as_object_mut().unwrap();
        for key in ["drift", "followed", "largest_reward", "is_guessed"] {
            assert!(values.remove(key).is_some(), "{key}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    fs::write(&path, file.bytes(&file.header.to_string(), "")).unwrap();
    let mut loaded = Learner::load(&path, &two_behaviors(), Device::cpu()).unwrap();
    (0..20).for_each(|_| assert!(loaded.update(true).is_ok()));
}

/// What is wrong is named, before networks of the sizes that a checkpoint only claims are made.
#[test]
fn errors_of_checkpoints_name_what_was_found_and_expected() {
    let learner = learner(two_behaviors(), small(), 16, SlotState::PRESENT);
    let file = saved(|path| learner.save(path, true).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.safetensors");
    for (place, value, expected) in [
        ("/config/actor_hidden/0", json!(1u64 << 31), "`a.actor` has 50 numbers, expected 12884901890"),
        (
            "/config/critic_hidden",
            json!([1u64 << 32, 1u64 << 32]),
            "`a.critics` has 290 numbers, expected fewer",
        ),
        ("/config/critic_hidden/0", json!(0), "`learner.critic_hidden` is 0, expected a whole number from 1"),
        (
            "/config/batch_size",
            json!(1 << 19),
            "`learner.replay_capacity` is 32, expected at least batch_size",
        ),
        ("/has_absences", json!(true), "`a.critics` has 290 numbers, expected 338"),
        ("/updates", json!(u64::MAX), "`updates` is 18446744073709551615, expected at most 9007199254740992"),
        ("/groups/0/name", json!("c"), "a policy `c`, expected `a`"),
        ("/groups/0/mean", json!([0.0]), "1 means, 3 squares and 3 largest values, expected 3 of each"),
        ("/groups/0/values/deviation", json!(0.0), "the deviation 0, expected"),
        ("/groups/1/squares/0", json!(-1.0), "0 or more for their number, their squares"),
        ("/smoothing/s", json!([0, 0, 0, 0]), "random stream `smoothing` is all zeros"),
        ("/replay_next", json!(3), "writes at row 3; expected up to 32 rows of"),
        ("/replay_next", json!(null), "it has 19 tensors, expected 18"),
    ] {
        let mut crafted = file.clone();
        *crafted.header.pointer_mut(place).unwrap() = value;
        fs::write(&path, crafted.bytes(&crafted.header.to_string(), "")).unwrap();
        let error = Learner::load(&path, &two_behaviors(), Device::cpu()).unwrap_err().to_string();
        assert!(error.contains(expected), "{place}: {error}");
    }
}
