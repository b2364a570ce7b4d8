"""A configuration centre: read once, then follow; nothing is missed in between."""

import coord

PREFIX = "examples/config/"

with coord.connect() as client:
    client.delete(PREFIX, prefix=True)
    client.put(PREFIX + "rate", "100")

    start = client.get(PREFIX, prefix=True)
    config = {kv.key.decode().removeprefix(PREFIX): kv.value.decode() for kv in start.kvs}
    print("at start", config)

    with client.watch(PREFIX, prefix=True, start_revision=start.revision + 1) as changes:
        client.put(PREFIX + "rate", "250")  # somebody at a console
        client.put(PREFIX + "host", "10.0.0.7")
        client.delete(PREFIX + "host")
        seen = 0
        for batch in changes:
            for event in batch.events:
                name = event.kv.key.decode().removeprefix(PREFIX)
                if event.kind is coord.EventKind.PUT:
                    config[name] = event.kv.value.decode()
                    print("set", name, config[name])
                else:
                    print("gone", name, f"({event.cause.name.lower()})")
                    del config[name]
                seen += 1
            if seen == 3:
                break
    print("at end", config)
