"""Code that stands in a template (`Code.ZipFile`): one file, `index`, in a zip, with the module that answers custom
resources beside it.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
"""

from __future__ import annotations

import io
import zipfile

from forecourt.services.cloudformation.errors import ResourceFailed

_MOST_CHARACTERS = 4_194_304
# The same template gives the same zip.
_EPOCH = (1980, 1, 1, 0, 0, 0)

_PYTHON = '''\
"""Tells CloudFormation what became of a custom resource."""

import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    body = json.dumps({
        "Status": responseStatus,
        "Reason": reason or "See the details in CloudWatch Log Stream: " + context.log_stream_name,
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }).encode()
    request = urllib.request.Request(event["ResponseURL"], body, {"content-type": ""}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        print("Status code:", answer.status)
'''

_NODE = """\
exports.SUCCESS = "SUCCESS";
exports.FAILED = "FAILED";

exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: "See the details in CloudWatch Log Stream: " + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: noEcho || false,
    Data: responseData,
  });
  const url = new URL(event.ResponseURL);
  const client = require(url.protocol === "https:" ? "https" : "http");
  return new Promise((resolve) => {
    const done = () => { if (context.done) context.done(); resolve(); };
    const headers = { "content-type": "", "content-length": Buffer.byteLength(body) };
    const request = client.request(url, { method: "PUT", headers }, done);
    request.on("error", (error) => { console.log("send failed: " + error); done(); });
    request.end(body);
  });
};
"""

_LANGUAGES = {"python": ("index.py", "cfnresponse.py", _PYTHON), "nodejs": ("index.js", "cfn-response.js", _NODE)}


def zipped(source: str, runtime: str) -> bytes:
    """Raises `ResourceFailed`."""
    found = next((files for name, files in _LANGUAGES.items() if runtime.startswith(name)), None)
    if found is None:
        raise ResourceFailed(
            f"ZipFile can only be used when Runtime is set to either of nodejs, python, not {runtime}."
        )
    if len(source) > _MOST_CHARACTERS:
        raise ResourceFailed("The code in ZipFile is too long")
    index, module, content = found
    files = {index: source} | ({module: content} if module.partition(".")[0] in source else {})
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text)
    return data.getvalue()
