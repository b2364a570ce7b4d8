"""Write a key, read it back, and only change what nobody else has changed."""

import coord
from coord import ops

with coord.connect() as client:
    client.put("examples/greeting", "hello")
    found = client.get("examples/greeting").kvs[0]
    print(found.value.decode())

    unchanged = ops.modified("examples/greeting", "==", found.mod_revision)
    first = client.txn([unchanged], [ops.put("examples/greeting", "good day")])
    second = client.txn([unchanged], [ops.put("examples/greeting", "too late")])
    print(first.succeeded, second.succeeded)
    print(client.get("examples/greeting").kvs[0].value.decode())
