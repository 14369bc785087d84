// Webhooks signed as each vendor signs them, written from the vendors' documentation with Node's own crypto. It shares
// nothing with the program, so that both cannot agree on the same mistake.
import { createHmac, randomUUID } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { secrets } from './support.mjs';

const hmac = (secret, text, encoding) => {
  const mac = createHmac('sha256', secret);
  for (const part of [text].flat()) mac.update(part);
  return mac.digest(encoding);
};
const json = { 'Content-Type': 'application/json' };

// Shopify: base64 HMAC-SHA256 of the body.
export function shopify(topic, body, { id = randomUUID(), secret = secrets.SHOPIFY_SECRET, headers = {} } = {}) {
  return {
    body,
    headers: {
      ...json,
      'X-Shopify-Topic': topic,
      'X-Shopify-Shop-Domain': 'acme.myshopify.com',
      'X-Shopify-API-Version': '2026-07',
      'X-Shopify-Webhook-Id': id,
      'X-Shopify-Triggered-At': '2026-11-23T10:00:00.000000000Z',
      'X-Shopify-Hmac-Sha256': hmac(secret, body, 'base64'),
      ...headers,
    },
  };
}

// Stripe: `t=SECONDS,v1=HEX` over "SECONDS.BODY".
export function stripe(body, { secret = secrets.STRIPE_SECRET, time_s = Math.floor(Date.now() / 1000) } = {}) {
  return {
    body,
    headers: { ...json, 'Stripe-Signature': `t=${time_s},v1=${hmac(secret, [`${time_s}.`, body], 'hex')}` },
  };
}

// Slack: `v0=HEX` over "v0:SECONDS:BODY".
export function slack(body, { secret = secrets.SLACK_SECRET, time_s = Math.floor(Date.now() / 1000) } = {}) {
  return {
    body,
    headers: {
      ...json,
      'X-Slack-Request-Timestamp': String(time_s),
      'X-Slack-Signature': `v0=${hmac(secret, [`v0:${time_s}:`, body], 'hex')}`,
    },
  };
}

// HubSpot v3: base64 HMAC-SHA256 over method, the public address, body and the milliseconds of the timestamp.
export function hubspot(url, body, { secret = secrets.HUBSPOT_SECRET, time_ms = Date.now() } = {}) {
  return {
    body,
    headers: {
      ...json,
      'X-HubSpot-Request-Timestamp': String(time_ms),
      'X-HubSpot-Signature-v3': hmac(secret, ['POST', url, body, String(time_ms)], 'base64'),
    },
  };
}

// The generic connector: hex HMAC-SHA256 of the body; the type and the sender's id travel in headers.
export function hook(type, body, { id = randomUUID(), secret = secrets.HOOK_SECRET } = {}) {
  return {
    body,
    headers: { ...json, 'X-Event-Type': type, 'Webhook-Id': id, 'X-Signature': hmac(secret, body, 'hex') },
  };
}

// Standard Webhooks, by their official package: nobody here wrote that scheme down a second time.
export function standard_webhook(secret, body, { id = `msg_${randomUUID()}`, at = new Date() } = {}) {
  return {
    body,
    headers: {
      ...json,
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    },
  };
}
