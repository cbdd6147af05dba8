"""An SMTP server for tests, on Debian's python3-aiosmtpd. Listens on 127.0.0.1 only.

Prints one JSON line {"port", "ca"} when it is ready ("ca" is the path of the CA certificate, or
null), then one JSON line per accepted mail. Exits when its standard input is closed.

The response depends on the recipient's local part:

    reject550    550 to RCPT
    defer451     451 to RCPT
    deferonce    451 to the first RCPT, then accepted
    rejectdata   554 to the content, with the text of the mail
    silent       no response to the content
    takenonce    the first mail is accepted without a response; then as usual
    late         the response to the content is sent after --late seconds
    close        the connection is closed without a response to the content
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import os
import ssl
import subprocess
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

FOREVER = 3600


def print_json(line):
    print(json.dumps(line), flush=True)


def make_certificate(directory):
    """Creates a CA and a certificate for localhost, or reuses those of an earlier start."""
    ca, key, cert = (os.path.join(directory, name) for name in ("ca.pem", "key.pem", "cert.pem"))
    if not os.path.exists(cert):

        def openssl(*arguments, text=None):
            subprocess.run(
                ["openssl", *arguments], check=True, capture_output=True, input=text, text=True
            )

        ca_key, request = (os.path.join(directory, name) for name in ("ca.key", "request.pem"))
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl(*new, "-x509", "-days", "2", "-subj", "/CN=Test CA", "-keyout", ca_key, "-out", ca)
        openssl(*new, "-subj", "/CN=localhost", "-keyout", key, "-out", request)
        openssl(
            *["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-days", "2"],
            *["-CAcreateserial", "-extfile", "/dev/stdin", "-out", cert],
            text="subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return ca, context


class Handler:
    def __init__(self, options):
        self.options = options
        self.seen = set()

    def is_first(self, address):
        first = address not in self.seen
        self.seen.add(address)
        return first

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        local = address.partition("@")[0]
        if local == "reject550":
            return "550 5.1.1 no such mailbox"
        if local == "defer451" or local == "deferonce" and self.is_first(address):
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        await asyncio.sleep(self.options.delay)
        local = envelope.rcpt_tos[0].partition("@")[0]
        mail = describe(envelope)
        if local == "rejectdata":
            return "554 5.7.1 rejected: " + ascii(" ".join(mail["text"].split()))[:400]
        if local == "silent":
            await asyncio.sleep(FOREVER)
        if local == "close":
            server.transport.abort()
            return "451 never seen"
        if local == "late":
            await asyncio.sleep(self.options.late)
        mail["connection"] = server.number
        mail["tls"] = session.ssl is not None or self.options.implicit_tls
        mail["user"] = session.auth_data
        print_json(mail)
        if local == "takenonce" and self.is_first(envelope.rcpt_tos[0]):
            await asyncio.sleep(FOREVER)
        return "250 OK"


def describe(envelope):
    raw = envelope.content
    message = email.message_from_bytes(raw, policy=email.policy.SMTPUTF8)
    parts = {part.get_content_type(): part for part in message.walk() if not part.is_multipart()}

    def content(kind):
        return parts[kind].get_content().replace("\r\n", "\n") if kind in parts else None

    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "headers": [[name, str(value)] for name, value in message.items()],
        "message_id": message["Message-ID"],
        "text": content("text/plain"),
        "html": content("text/html"),
        "raw": raw.decode("utf-8", "replace"),
    }


def authenticator(options):
    def authenticate(server, session, envelope, mechanism, data):
        expected = LoginPassword(options.user.encode(), options.password.encode())
        if data != expected:
            return AuthResult(success=False, handled=False)
        return AuthResult(success=True, auth_data=options.user)

    return authenticate


async def serve(options):
    loop = asyncio.get_running_loop()
    ca, context = None, None
    if options.starttls or options.implicit_tls:
        ca, context = make_certificate(options.directory)
    connections = 0
    handler = Handler(options)

    def connect():
        nonlocal connections
        connections += 1
        protocol = SMTP(
            handler,
            loop=loop,
            hostname="localhost",
            enable_SMTPUTF8=options.smtputf8,
            tls_context=context if options.starttls else None,
            require_starttls=options.starttls,
            auth_required=options.user is not None,
            auth_require_tls=options.starttls,
            authenticator=authenticator(options) if options.user is not None else None,
        )
        protocol.number = connections
        return protocol

    implicit = context if options.implicit_tls else None
    server = await loop.create_server(connect, "127.0.0.1", options.port, ssl=implicit)
    print_json({"port": server.sockets[0].getsockname()[1], "ca": ca})
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--starttls", action="store_true")
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--directory", help="where certificates are stored")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--smtputf8", action="store_true")
    parser.add_argument("--delay", type=float, default=0, help="seconds before each response to content")
    parser.add_argument("--late", type=float, default=1)
    # Some tests authenticate without TLS.
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
