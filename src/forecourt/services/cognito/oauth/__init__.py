"""OAuth 2.0 and OpenID Connect on a pool's domain: one file per endpoint family, pure where it decides."""
