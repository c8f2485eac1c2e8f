"""Backends that API Gateway proves itself to, and backends behind VPC links, called over the network."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from forecourt.testing import Forecourt


def unique(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:8]}"


class Backend:
    """A real HTTP server, with TLS where it has a `context`. It tells what it was asked."""

    def __init__(self, name: str = "", context: ssl.SSLContext | None = None) -> None:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                peer = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
                subject = {key: value for part in (peer or {}).get("subject", ()) for key, value in part}
                document = {"name": told.name, "path": self.path, "host": self.headers["host"], "peer": subject}
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *arguments: Any) -> None:
                pass

        self.name = name
        self._server = Quiet(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port

    @contextlib.contextmanager
    def serving(self) -> Iterator[Backend]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def server_certificate(folder: Path, name: str) -> Path:
    """Key and self-signed certificate in one file."""
    from cryptography.hazmat.primitives import serialization

    from forecourt.services.apigateway.rest.certificates import self_signed

    pem, private, _ = self_signed(1_780_000_000, uuid.uuid4().bytes)
    key = serialization.load_der_private_key(private, None)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(pem.encode() + text)
    return path


class Rest:
    """A REST API with one method, GET /, in a stage `prod`."""

    def __init__(self, server: Forecourt) -> None:
        self.server = server
        self.apis = server.client("apigateway")
        self.id: str = self.apis.create_rest_api(name=unique("private"))["id"]
        self.root: str = self.apis.get_resources(restApiId=self.id)["items"][0]["id"]
        self.apis.put_method(restApiId=self.id, resourceId=self.root, httpMethod="GET", authorizationType="NONE")

    def integrate(self, uri: str, **settings: Any) -> None:
        self.apis.put_integration(
            restApiId=self.id,
            resourceId=self.root,
            httpMethod="GET",
            **{"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": uri, **settings},
        )

    def deploy(self, **stage: Any) -> None:
        deployment = self.apis.create_deployment(restApiId=self.id)["id"]
        self.apis.create_stage(restApiId=self.id, stageName="prod", deploymentId=deployment, **stage)

    def set(self, path: str, value: str) -> None:
        operations = [{"op": "replace", "path": path, "value": value}]
        self.apis.update_stage(restApiId=self.id, stageName="prod", patchOperations=operations)

    def get(self) -> requests.Response:
        return requests.get(f"{self.server.url}/_aws/execute-api/{self.id}/prod/", timeout=30)


UNVERIFIED = {"tlsConfig": {"insecureSkipVerification": True}}


def test_a_backend_that_demands_it_is_shown_the_stages_client_certificate(server: Forecourt, tmp_path: Path) -> None:
    api = Rest(server)
    certificate = api.apis.generate_client_certificate(description="shown")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate(tmp_path, "backend"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate["pemEncodedCertificate"])
    with Backend(context=context).serving() as backend:
        api.integrate(f"https://127.0.0.1:{backend.port}/", **UNVERIFIED)
        api.deploy()
        assert api.get().status_code in (500, 504), "without a certificate the backend refuses"
        api.set("/clientCertificateId", certificate["clientCertificateId"])
        answer = api.get()
        assert answer.status_code == 200, answer.text
        assert answer.json()["peer"]["commonName"] == "ApiGateway"
        other = api.apis.generate_client_certificate()["clientCertificateId"]
        api.set("/clientCertificateId", other)
        assert api.get().status_code in (500, 504), "another certificate is not accepted"
    for key in (other, certificate["clientCertificateId"]):
        api.set("/clientCertificateId", key)


def test_a_backend_is_not_trusted_unless_told_so(server: Forecourt, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate(tmp_path, "backend"))
    with Backend(context=context).serving() as backend:
        strict, lenient = Rest(server), Rest(server)
        strict.integrate(f"https://127.0.0.1:{backend.port}/")
        lenient.integrate(f"https://127.0.0.1:{backend.port}/", **UNVERIFIED)
        strict.deploy()
        lenient.deploy()
        refused = strict.get()
        assert (refused.status_code, refused.json()) == (500, {"message": "Internal server error"})
        assert refused.headers["x-amzn-errortype"] == "InternalServerErrorException"
        assert lenient.get().status_code == 200


def test_a_host_that_does_not_resolve_is_an_invalid_endpoint(server: Forecourt) -> None:
    api = Rest(server)
    api.integrate("http://there-is-no-such-host.invalid/")
    api.deploy()
    assert (api.get().status_code, api.get().json()) == (500, {"message": "Internal server error"})


# -- VPC links


class Balancer:
    """A network load balancer whose listener forwards to `targets`."""

    def __init__(self, server: Forecourt, *targets: Backend, port: int = 80) -> None:
        balancers, ec2 = server.client("elbv2"), server.client("ec2")
        network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        self.arn = balancers.create_load_balancer(Name=unique("nlb"), Type="network", Subnets=[subnet])[
            "LoadBalancers"
        ][0]["LoadBalancerArn"]
        group = balancers.create_target_group(
            Name=unique("tg"), Protocol="TCP", Port=80, VpcId=network, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        if targets:
            balancers.register_targets(
                TargetGroupArn=group, Targets=[{"Id": "127.0.0.1", "Port": target.port} for target in targets]
            )
        self.listener = balancers.create_listener(
            LoadBalancerArn=self.arn,
            Protocol="TCP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )["Listeners"][0]["ListenerArn"]


def test_a_rest_api_goes_through_its_link_and_names_its_uris_host(server: Forecourt) -> None:
    api = Rest(server)
    with Backend("behind").serving() as backend:
        balancer = Balancer(server, backend, port=8080)
        link = api.apis.create_vpc_link(name=unique("link"), targetArns=[balancer.arn])["id"]
        api.integrate("http://pets.internal:8080/all", connectionType="VPC_LINK", connectionId="${stageVariables.link}")
        api.deploy(variables={"link": link})
        told = api.get().json()
        assert (told["name"], told["path"], told["host"]) == ("behind", "/all", "pets.internal:8080")
        api.set("/variables/link", "nolink")
        assert api.get().status_code == 500


def test_a_rest_api_goes_to_its_uri_where_the_links_load_balancer_is_not_here(server: Forecourt) -> None:
    api = Rest(server)
    elsewhere = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/elsewhere/0123456789abcdef"
    link = api.apis.create_vpc_link(name=unique("link"), targetArns=[elsewhere])["id"]
    with Backend("direct").serving() as backend:
        api.integrate(f"http://127.0.0.1:{backend.port}/all", connectionType="VPC_LINK", connectionId=link)
        api.deploy()
        assert api.get().json()["name"] == "direct"


def test_a_link_without_targets_is_a_configuration_error(server: Forecourt) -> None:
    api = Rest(server)
    link = api.apis.create_vpc_link(name=unique("link"), targetArns=[Balancer(server).arn])["id"]
    api.integrate("http://pets.internal/", connectionType="VPC_LINK", connectionId=link)
    api.deploy()
    assert (api.get().status_code, api.get().json()) == (500, {"message": "Internal server error"})


class Http:
    """An HTTP API with a `$default` stage and one called `test`."""

    def __init__(self, server: Forecourt, uri: str, **settings: Any) -> None:
        self._url = server.url
        apis = server.client("apigatewayv2")
        self.id = apis.create_api(Name=unique("private"), ProtocolType="HTTP")["ApiId"]
        link = apis.create_vpc_link(Name=unique("link"), SubnetIds=["subnet-1"])["VpcLinkId"]
        integration = apis.create_integration(
            ApiId=self.id,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="ANY",
            IntegrationUri=uri,
            PayloadFormatVersion="1.0",
            **{"ConnectionType": "VPC_LINK", "ConnectionId": link, **settings},
        )["IntegrationId"]
        apis.create_route(ApiId=self.id, RouteKey="ANY /{proxy+}", Target=f"integrations/{integration}")
        for stage in ("$default", "test"):
            apis.create_stage(ApiId=self.id, StageName=stage, AutoDeploy=True)

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self._url}/_aws/execute-api/{self.id}{path}", timeout=30)


def test_an_http_api_takes_the_targets_of_a_listener_in_turn(server: Forecourt) -> None:
    with Backend("one").serving() as one, Backend("two").serving() as two:
        api = Http(server, Balancer(server, one, two).listener)
        told = [api.get(f"/pets/{number}?a=1").json() for number in range(4)]
        # moto knows a target by its address alone, so that the second registration replaces the first's port.
        assert {answer["name"] for answer in told} <= {"one", "two"}
        assert told[0]["path"] == "/pets/0?a=1"
        assert api.get("/test/pets/1").json()["path"] == "/test/pets/1", "the stage is part of the path, as at AWS"


def test_an_http_api_finds_the_instances_of_a_cloud_map_service(server: Forecourt) -> None:
    names = server.client("servicediscovery")
    names.create_http_namespace(Name=(name := unique("shop")))
    namespace = next(space["Id"] for space in names.list_namespaces()["Namespaces"] if space["Name"] == name)
    service = names.create_service(Name="pets", NamespaceId=namespace)["Service"]
    with Backend("blue").serving() as blue, Backend("green").serving() as green:
        for backend in (blue, green):
            attributes = {
                "AWS_INSTANCE_IPV4": "127.0.0.1",
                "AWS_INSTANCE_PORT": str(backend.port),
                "colour": backend.name,
            }
            names.register_instance(ServiceId=service["Id"], InstanceId=backend.name, Attributes=attributes)
        arn = service["Arn"]
        every, some = Http(server, arn), Http(server, f"{arn}?colour=green")
        assert {every.get("/pets").json()["name"] for _ in range(4)} == {"blue", "green"}
        assert {some.get("/pets").json()["name"] for _ in range(4)} == {"green"}


@pytest.mark.parametrize(
    "uri",
    [
        "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/gone/0123456789abcdef/0123456789abcdef",
        "arn:aws:servicediscovery:us-east-1:000000000000:service/srv-gone",
    ],
)
def test_an_http_api_whose_link_leads_nowhere_is_unavailable(server: Forecourt, uri: str) -> None:
    answer = Http(server, uri).get("/pets")
    assert (answer.status_code, answer.json()) == (503, {"message": "Service Unavailable"})


def test_a_private_integration_verifies_the_name_that_it_was_told(server: Forecourt, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate(tmp_path, "backend"))
    with Backend("tls", context).serving() as backend:
        listener = Balancer(server, backend, port=443).listener
        api = Http(server, listener, TlsConfig={"ServerNameToVerify": "pets.example.com"})
        assert api.get("/pets").status_code == 500, "spoken over TLS, and the certificate is nobody's"
