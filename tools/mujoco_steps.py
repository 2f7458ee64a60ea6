"""Control steps per second of a task of the DeepMind Control Suite with random actions. Usage: mujoco_steps.py DOMAIN TASK

Prints two numbers: MuJoCo's physics alone, and the whole step with rewards and observations.
"""

import sys
import time

import numpy as np
from dm_control import suite

SECONDS = 2.0
env = suite.load(sys.argv[1], sys.argv[2], task_kwargs={"random": 1})
spec = env.action_spec()
# Draw the actions beforehand so that only the simulation is timed.
actions = np.random.default_rng(1).uniform(spec.minimum, spec.maximum, (256, *spec.shape))


def rate(step):
    env.reset()
    for action in actions[:50]:
        step(action)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        for action in actions:
            step(action)
        count += len(actions)
    return count / (time.perf_counter() - start)


def physics(action):
    env.physics.set_control(action)
    env.physics.step(env._n_sub_steps)


def whole(action):
    if env.step(action).last():
        env.reset()


print(f"{rate(physics):.0f} {rate(whole):.0f}")
