"""Use cases of ai that span several transactions or the network, a file per use."""
