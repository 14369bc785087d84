// Made-up Shopify orders for the demo and for tests: the same seed gives the same orders. They must never contain a
// real person's data; every address ends in example.com.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/time.h"

namespace tieline::sandbox {

// One order as Shopify's orders/create webhook sends it.
struct SampleOrder {
  std::string webhook_id;  // X-Shopify-Webhook-Id: the same when Shopify sends it again
  std::string body;        // about 1.6 KB of JSON
  std::string email;       // empty: the order has none
  std::int64_t number = 0;
  bool test = false;  // a test order
};

struct OrderMix {
  std::uint64_t seed = 1;
  Time first = Time(Duration(1'793'000'000'000'000));  // created_at of the first; one every 90 seconds after it
  std::size_t customers = 40;
  // One order in so many is a test order, has no e-mail, or comes from somebody the CRM does not know. 0: none.
  std::uint32_t test_every = 25, no_email_every = 40, stranger_every = 20;
};

std::vector<SampleOrder> sample_orders(std::size_t count, const OrderMix& mix = {});
// The customers that a CRM knows in this mix: e-mail, first name, last name. Strangers are not among them.
struct SampleContact {
  std::string email, first_name, last_name;
};
std::vector<SampleContact> sample_contacts(const OrderMix& mix = {});

}  // namespace tieline::sandbox
