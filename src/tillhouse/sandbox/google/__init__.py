"""Google as its sign-in behaves: OpenID Connect with discovery, PKCE, ID tokens and keys that rotate."""
