"""SePay (Vietnam): a bank account that is watched, and a payment gateway. From developer.sepay.vn and docs.sepay.vn."""
