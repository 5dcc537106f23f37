package relation

// The definitions of schema.zed.
const (
	TypeUser           = "user"
	TypeServiceAccount = "service_account"
	TypePlatform       = "platform"
	TypeAccount        = "account"
	TypePermissionSet  = "permission_set"
	TypeContact        = "contact"
	TypeAPIToken       = "api_token"
	TypeJob            = "job"
)

// PlatformID is the id of the one platform.
const PlatformID = "steward"

// The relations of schema.zed. A relation is a noun and follows from rows.
const (
	RelAccount                  = "account"
	RelAccounting               = "accounting"
	RelAdmin                    = "admin"
	RelBilling                  = "billing"
	RelCaseManagement           = "case_management"
	RelContact                  = "contact"
	RelContactManagement        = "contact_management"
	RelCreator                  = "creator"
	RelHolder                   = "holder"
	RelLicenseManagement        = "license_management"
	RelOwner                    = "owner"
	RelPermissionSet            = "permission_set"
	RelPerson                   = "person"
	RelPlatform                 = "platform"
	RelRenewContracts           = "renew_contracts"
	RelSupport                  = "support"
	RelUpgradeContracts         = "upgrade_contracts"
	RelWithoutAdmin             = "without_admin"
	RelWithoutBilling           = "without_billing"
	RelWithoutCaseManagement    = "without_case_management"
	RelWithoutLicenseManagement = "without_license_management"
	RelWithoutRenewContracts    = "without_renew_contracts"
	RelWithoutSupport           = "without_support"
	RelWithoutUpgradeContracts  = "without_upgrade_contracts"
)

// The permissions of schema.zed. A permission is a verb and carries the name that the law gives it.
const (
	AddContact                = "add_contact"
	AddContactFreely          = "add_contact_freely"
	Administer                = "administer"
	Belong                    = "belong"
	CoversBilling             = "covers_billing"
	CoversCaseManagement      = "covers_case_management"
	CoversLicenseManagement   = "covers_license_management"
	CoversRenewContracts      = "covers_renew_contracts"
	CoversSupport             = "covers_support"
	CoversUpgradeContracts    = "covers_upgrade_contracts"
	CreateAccount             = "create_account"
	DelegateAdmin             = "delegate_admin"
	DelegateBilling           = "delegate_billing"
	DelegateCaseManagement    = "delegate_case_management"
	DelegateContactManagement = "delegate_contact_management"
	DelegateLicenseManagement = "delegate_license_management"
	DelegateRenewContracts    = "delegate_renew_contracts"
	DelegateSupport           = "delegate_support"
	DelegateUpgradeContracts  = "delegate_upgrade_contracts"
	EditAccount               = "edit_account"
	EditContact               = "edit_contact"
	EditContactEmail          = "edit_contact_email"
	EditContactName           = "edit_contact_name"
	EditContactPhone          = "edit_contact_phone"
	EditMessageChoices        = "edit_message_choices"
	GrantBilling              = "grant_billing"
	GrantCaseManagement       = "grant_case_management"
	GrantContactManagement    = "grant_contact_management"
	GrantLicenseManagement    = "grant_license_management"
	GrantPermission           = "grant_permission"
	GrantRenewContracts       = "grant_renew_contracts"
	GrantSupport              = "grant_support"
	GrantUpgradeContracts     = "grant_upgrade_contracts"
	LeaveAccount              = "leave_account"
	Manage                    = "manage"
	ManageAdminPermission     = "manage_admin_permission"
	ManageContacts            = "manage_contacts"
	ManageFully               = "manage_fully"
	ManageServiceAccounts     = "manage_service_accounts"
	Outrank                   = "outrank"
	ReassignOwnership         = "reassign_ownership"
	RemoveContact             = "remove_contact"
	ResendInvitation          = "resend_invitation"
	RevokeAPIToken            = "revoke_api_token"
	SetAccountType            = "set_account_type"
	Staff                     = "staff"
	TransferOwnership         = "transfer_ownership"
	ViewAPIToken              = "view_api_token"
	ViewAccount               = "view_account"
	ViewAuditLog              = "view_audit_log"
	ViewContactDetails        = "view_contact_details"
	ViewContacts              = "view_contacts"
	ViewJob                   = "view_job"
)

// Definition is one definition of schema.zed: its relations and its permissions, each in the order of the file.
type Definition struct {
	Type        string
	Relations   []string
	Permissions []string
}

// Definitions returns what schema.zed defines, in the order of the file. A test proves that the two agree.
func Definitions() []Definition {
	return []Definition{
		{Type: TypeUser},
		{Type: TypeServiceAccount},
		{TypePlatform, []string{RelSupport, RelAccounting}, []string{Staff, CreateAccount}},
		{
			TypeAccount,
			[]string{RelPlatform, RelContact, RelOwner, RelAdmin, RelContactManagement, RelCaseManagement, RelSupport, RelBilling,
				RelRenewContracts, RelUpgradeContracts, RelLicenseManagement},
			[]string{Administer, ManageContacts, DelegateAdmin, DelegateContactManagement, DelegateCaseManagement, DelegateSupport,
				DelegateBilling, DelegateRenewContracts, DelegateUpgradeContracts, DelegateLicenseManagement, ViewAccount, EditAccount,
				ViewContacts, ViewContactDetails, AddContact, AddContactFreely, ResendInvitation, TransferOwnership, ReassignOwnership,
				ManageServiceAccounts, ViewAuditLog},
		},
		{
			TypePermissionSet,
			[]string{RelAccount, RelWithoutAdmin, RelWithoutCaseManagement, RelWithoutSupport, RelWithoutBilling,
				RelWithoutRenewContracts, RelWithoutUpgradeContracts, RelWithoutLicenseManagement},
			[]string{CoversCaseManagement, CoversSupport, CoversBilling, CoversRenewContracts, CoversUpgradeContracts,
				CoversLicenseManagement, Outrank, Administer, Manage, ManageFully, Belong},
		},
		{
			TypeContact,
			[]string{RelAccount, RelPerson, RelPermissionSet},
			[]string{ViewContacts, ViewContactDetails, EditContact, EditContactName, EditContactPhone, EditContactEmail,
				EditMessageChoices, ResendInvitation, RemoveContact, LeaveAccount, GrantPermission, GrantContactManagement,
				GrantCaseManagement, GrantSupport, GrantBilling, GrantRenewContracts, GrantUpgradeContracts, GrantLicenseManagement,
				ManageAdminPermission, SetAccountType, ManageServiceAccounts},
		},
		{TypeAPIToken, []string{RelHolder, RelContact}, []string{ViewAPIToken, RevokeAPIToken}},
		{TypeJob, []string{RelCreator}, []string{ViewJob}},
	}
}
