"""Transports: where messages travel. Endpoints, and how to listen and dial; the wire protocol is `zmtp`."""
