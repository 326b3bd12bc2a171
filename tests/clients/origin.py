"""An S3 server with the shared tables in a bucket, which it serves to plain HTTP GETs too.

Prints its address when the bucket is filled, and serves until its stdin closes.
Usage: origin.py FOLDER BUCKET
"""

import os
import sys
from pathlib import Path

os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

import boto3  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

folder, bucket = Path(sys.argv[1]), sys.argv[2]
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
address = f"http://{host}:{port}"
s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=address)
s3.create_bucket(Bucket=bucket, ACL="public-read")
for path in sorted(p for p in folder.rglob("*") if p.is_file()):
    name = str(path.relative_to(folder))
    s3.put_object(Bucket=bucket, Key=name, Body=path.read_bytes(), ACL="public-read")
print(address, flush=True)
sys.stdin.read()
server.stop()
