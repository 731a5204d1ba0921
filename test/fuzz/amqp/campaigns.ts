/** All campaigns, in the order in which they are carried out. */
import type { Campaign } from './assault.js';
import { channelCampaign } from './channel-campaign.js';
import { floodCampaigns } from './flood-campaigns.js';
import { hoardCampaigns } from './hoard-campaigns.js';
import { randomCampaign } from './random-campaign.js';
import { slowCampaigns } from './slow-campaigns.js';
import { strikeCampaigns } from './strike-campaigns.js';
import { websocketCampaign } from './websocket-campaign.js';

/** See the top of this file. */
export const allCampaigns: readonly Campaign[] = [
  ...strikeCampaigns,
  channelCampaign,
  websocketCampaign,
  ...slowCampaigns,
  ...hoardCampaigns,
  ...floodCampaigns,
  randomCampaign,
];

/** The campaigns of these names; all when there are none. @throws on a name that is unknown. */
export function campaignsNamed(names: readonly string[]): readonly Campaign[] {
  if (names.length === 0) return allCampaigns;
  return names.map((name) => {
    const campaign = allCampaigns.find((one) => one.name === name);
    if (campaign !== undefined) return campaign;
    const known = allCampaigns.map((one) => one.name).join(', ');
    throw new Error(`--campaign is ${name}: it must be one of ${known}`);
  });
}
