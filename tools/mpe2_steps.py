"""Agent-steps per second of an mpe2 world with random continuous actions and resets. Usage: mpe2_steps.py NAME"""

import importlib
import sys
import time

name = sys.argv[1]
world = importlib.import_module(f"mpe2.{name}").parallel_env(max_cycles=25, continuous_actions=True)
world.reset(seed=0)
spaces = {agent: world.action_space(agent) for agent in world.agents}
# Draw the actions beforehand so that only the world is timed.
actions = [{agent: space.sample() for agent, space in spaces.items()} for _ in range(25)]


def episode():
    world.reset()
    for action in actions:
        world.step(action)


episode()
start, episodes = time.perf_counter(), 0
while time.perf_counter() - start < 2.0:
    episode()
    episodes += 1
print(episodes * 25 * len(spaces) / (time.perf_counter() - start))
