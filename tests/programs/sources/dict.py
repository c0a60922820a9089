"""A dict that grows for ever, or one that is kept at a thousand entries: dict.py grow|bound"""
import sys
import time

cache = {}
number = 0
while True:
    for _ in range(200):
        number += 1
        cache[f"order-{number}"] = f"the state of order {number}, and some words about it" * 2
        if sys.argv[1] == "bound" and len(cache) > 1000:
            del cache[next(iter(cache))]
    time.sleep(0.005)
