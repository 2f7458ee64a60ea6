"""Checks exported policies with onnx and onnxruntime. Prints a line per check and fails if one fails.

Usage: python check_onnx.py FLAVOR CASES

CASES is the file that `cargo run --example export_onnx` writes with `--cases`.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime

TOLERANCE = 1e-5
flavor, cases = sys.argv[1:3]
failed = False


def report(passed, text):
    """Prints the result of a check."""
    global failed
    failed |= not passed
    print("  ok     " if passed else "  FAILED ", text)


def expected_tensors(inputs, numbers, branches):
    """The inputs and outputs that the engine expects: name, type and shape."""
    choices = sum(branches)
    masks = [("action_masks", "tensor(float)", ["batch", choices])] if branches else []
    if flavor == "plain":
        return (
            [("observation", "tensor(float)", ["batch", inputs]), *masks],
            [("action", "tensor(float)", ["batch", numbers + choices])],
        )
    if flavor == "godot-rl":
        skipped = numbers if branches else 0
        return (
            [("obs", "tensor(float)", ["batch", inputs]), ("state_ins", "tensor(float)", ["batch"])],
            [
                ("output", "tensor(float)", ["batch", numbers + skipped + choices]),
                ("state_outs", "tensor(float)", ["batch"]),
            ],
        )
    outputs = [("version_number", "tensor(float)", [1]), ("memory_size", "tensor(float)", [1])]
    if numbers:
        outputs += [
            ("continuous_actions", "tensor(float)", ["batch", numbers]),
            ("continuous_action_output_shape", "tensor(float)", [1]),
            ("deterministic_continuous_actions", "tensor(float)", ["batch", numbers]),
        ]
    if branches:
        outputs += [
            ("discrete_actions", "tensor(int64)", ["batch", len(branches)]),
            ("discrete_action_output_shape", "tensor(float)", [1, len(branches)]),
            ("deterministic_discrete_actions", "tensor(int64)", ["batch", len(branches)]),
        ]
    return [("obs_0", "tensor(float)", ["batch", inputs]), *masks], outputs


def vector(outputs, numbers, branches):
    """The action as one vector: numbers, then one-hot choices."""
    if flavor == "plain":
        return outputs["action"]
    if flavor == "godot-rl":
        output = outputs["output"]
        skipped = numbers if branches else 0
        return np.concatenate([output[:, :numbers], output[:, numbers + skipped :]], 1)
    parts = []
    if numbers:
        parts.append(outputs["continuous_actions"])
        assert (outputs["continuous_actions"] == outputs["deterministic_continuous_actions"]).all()
        assert outputs["continuous_action_output_shape"].tolist() == [numbers]
    if branches:
        parts += [np.eye(count)[outputs["discrete_actions"][:, k]] for k, count in enumerate(branches)]
        assert (outputs["discrete_actions"] == outputs["deterministic_discrete_actions"]).all()
        assert outputs["discrete_action_output_shape"].tolist() == [branches]
    assert (outputs["version_number"].tolist(), outputs["memory_size"].tolist()) == ([3], [0])
    return np.concatenate(parts, 1)


for case in json.load(open(cases)):
    file, name, numbers, branches = case["file"], case["behavior"], case["numbers"], case["branches"]
    observations = np.array(case["observations"], np.float32)
    try:
        onnx.checker.check_model(onnx.load(file), full_check=True)
        report(True, f"{name}: valid")
    except Exception as error:
        report(False, f"{name}: {error}")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    found = [[(t.name, t.type, t.shape) for t in tensors] for tensors in (session.get_inputs(), session.get_outputs())]
    expected = list(expected_tensors(observations.shape[1], numbers, branches))
    report(found == expected, f"{name}: names, types and shapes" + ("" if found == expected else f" {found}"))
    metadata = session.get_modelmeta().custom_metadata_map
    report(metadata.get("behavior") == name, f"{name}: metadata {metadata}")

    all_inputs = {found[0][0][0]: observations}
    if case["masks"]:
        all_inputs["action_masks"] = np.array(case["masks"], np.float32)
    if flavor == "godot-rl":
        all_inputs["state_ins"] = np.ones(len(observations), np.float32)
    for batch in (1, len(observations)):
        actions = []
        for start in range(0, len(observations), batch):
            inputs = {key: value[start : start + batch] for key, value in all_inputs.items()}
            outputs = dict(zip((output[0] for output in found[1]), session.run(None, inputs)))
            actions.append(vector(outputs, numbers, branches))
        difference = np.abs(np.concatenate(actions) - np.array(case["actions"])).max()
        report(difference < TOLERANCE, f"{name}: batch {batch}, largest difference {difference:.1e}")

sys.exit(failed)
